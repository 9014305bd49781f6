"""Setup scripts, as an administrator runs them: on a machine with a real systemd and the daemons that Debian has."""

import base64
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.conftest import HUB, Images, Story
from tests.lab.machine import Machine
from tests.lab.peers import need
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

REFERENCE = "docker.io/library/small:latest"
STAND_IN = "[Service]\nExecStart=/bin/sleep infinity\n"


@pytest.fixture
def machine(story: Story) -> Iterator[Machine]:
    need("systemd", "curl")
    made = Machine(story.processes, story.directory / "machine").start()
    yield made
    made.stop()


def script(proxy: Proxy, platform: str) -> str:
    """The script, as the proxy hands it out."""
    status, text = proxy.get(f"/setup/{platform}")
    assert status == 200
    return text.decode()


def set_up(machine: Machine, proxy: Proxy, platform: str, *options: str) -> str:
    """Run it, and return what it said."""
    ran = machine.run("sh", "-s", "--", *options, stdin=script(proxy, platform))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def pull_by_docker(machine: Machine) -> str:
    ran = machine.run("/usr/bin/docker", "pull", REFERENCE)
    return ran.stdout + ran.stderr


def pull_by_containerd(machine: Machine) -> str:
    """What a kubelet asks containerd for: PullImage of the CRI, a message in a frame of gRPC."""
    name = REFERENCE.encode()
    image = b"\x0a" + bytes([len(name)]) + name
    message = b"\x0a" + bytes([len(image)]) + image
    frame = base64.b64encode(b"\0" + len(message).to_bytes(4, "big") + message).decode()
    call = (
        "base64 -d | curl -sS --http2-prior-knowledge --unix-socket /run/containerd/containerd.sock -D - -o /dev/null "
        "-H 'Content-Type: application/grpc' -H 'TE: trailers' --data-binary @- "
        "http://localhost/runtime.v1.ImageService/PullImage && ctr --namespace k8s.io images ls"
    )
    ran = machine.run("sh", "-c", call, stdin=frame)
    return ran.stdout + ran.stderr


DAEMONS = {
    "docker": ("docker.service", pull_by_docker),
    "containerd": ("containerd.service", pull_by_containerd),
}


@pytest.mark.parametrize("platform", DAEMONS)
def test_a_daemon_is_set_up_once_pulls_and_is_as_before_in_the_end(
    platform: str, machine: Machine, story: Story, both: str, hub: Registry, images: Images
) -> None:
    need("dockerd")
    unit, pull = DAEMONS[platform]
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both)
    machine.run("systemctl", "start", unit).check_returncode()
    before, environment = machine.changes(), machine.environment_of(unit).keys()

    assert "dry run: nothing was done" in set_up(machine, proxy, platform, "--dry-run")
    assert machine.changes() == before
    said = set_up(machine, proxy, platform)
    assert f"self-test: https://{HUB}/v2/ through {proxy.url} answers" in said
    assert "OK: " in said
    proxy.forget()
    assert digest in pull(machine)
    assert {line["outcome"] for line in proxy.access(at_least=4)} & {"miss", "hit"}

    # The daemon trusts the CA; nothing else on the machine does.
    other = machine.run("curl", "-sS", "--proxy", proxy.url, "--noproxy", "", f"https://{HUB}/v2/")
    assert other.returncode == 60

    made, running = machine.changes(), machine.main_pid(unit)
    assert "nothing to change" in set_up(machine, proxy, platform)
    assert (machine.changes(), machine.main_pid(unit)) == (made, running)

    assert "nothing of regproxy is left" in set_up(machine, proxy, platform, "--uninstall")
    assert machine.changes() == before
    assert not (machine.upper / "etc/regproxy").exists()
    assert machine.environment_of(unit).keys() == environment
    assert "nothing to change" in set_up(machine, proxy, platform, "--uninstall")


def test_podman_and_the_builder_in_dockerd_pull_through_the_proxy(
    machine: Machine, story: Story, both: str, hub: Registry, images: Images
) -> None:
    need("podman", "dockerd")
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both)
    before = machine.changes()
    assert "OK: podman pulls" in set_up(machine, proxy, "podman")
    made = machine.changes()
    assert "nothing to change" in set_up(machine, proxy, "podman")
    assert machine.changes() == made
    pulled = machine.run("podman", "--events-backend=none", "pull", REFERENCE)
    assert pulled.returncode == 0, pulled.stderr
    inspected = machine.run("podman", "image", "inspect", "--format", "{{json .RepoDigests}}", REFERENCE)
    assert digest in inspected.stdout
    set_up(machine, proxy, "podman", "--uninstall")
    assert machine.changes().keys() - {"etc/cni/net.d/cni.lock"} == before.keys(), "the lock is podman's own"

    machine.run("systemctl", "start", "docker").check_returncode()
    set_up(machine, proxy, "docker")
    hub.forget()
    proxy.forget()
    built = machine.run(
        "/usr/bin/docker", "build", "-", stdin=f"FROM {REFERENCE}\nLABEL built=yes\n", DOCKER_BUILDKIT="1"
    )
    assert built.returncode == 0, built.stderr
    assert "hit" in {line["outcome"] for line in proxy.access(at_least=2)}
    assert hub.requests() == []


STAND_INS = {
    "buildkit": ("buildkit.service", ""),
    "crio": ("crio.service", ""),
    "k3s": ("k3s-agent.service", "CONTAINERD_"),
    "rke2": ("rke2-server.service", "CONTAINERD_"),
}


def test_daemons_that_debian_lacks_get_the_environment_that_they_would_hand_on(
    machine: Machine, story: Story, both: str, hub: Registry
) -> None:
    """A unit of the right name stands in for each; what it runs with is what the daemon would."""
    proxy = story.proxy(both)
    for unit, _ in STAND_INS.values():
        machine.write(f"/etc/systemd/system/{unit}", STAND_IN)
    machine.run("systemctl", "daemon-reload").check_returncode()
    machine.run("systemctl", "start", *(unit for unit, _ in STAND_INS.values())).check_returncode()
    before = machine.changes()
    for platform, (unit, prefix) in STAND_INS.items():
        assert f"restarting {unit}" in set_up(machine, proxy, platform)
        given = machine.environment_of(unit)
        assert given[f"{prefix}HTTPS_PROXY"] == proxy.url
        assert given[f"{prefix}SSL_CERT_DIR"] == "/etc/ssl/certs:/etc/regproxy/certs"
        assert "10.0.0.0/8" in given[f"{prefix}NO_PROXY"].split(",")
        assert (given.get("HTTPS_PROXY") is None) == bool(prefix)
    assert "nothing to change" not in set_up(machine, proxy, "node", "--uninstall")
    assert machine.changes() == before


def test_what_an_administrator_set_before_is_kept_or_named(
    machine: Machine, story: Story, both: str, hub: Registry
) -> None:
    proxy = story.proxy(both)
    unit = "crio.service"
    machine.write(f"/etc/systemd/system/{unit}", STAND_IN)
    machine.write(
        f"/etc/systemd/system/{unit}.d/http-proxy.conf",
        '[Service]\nEnvironment="HTTPS_PROXY=http://old.example:8080" "NO_PROXY=git.corp.example,localhost"\n',
    )
    machine.run("systemctl", "daemon-reload").check_returncode()
    machine.run("systemctl", "start", unit).check_returncode()
    set_up(machine, proxy, "crio", "--no-proxy", "lan.example", "--no-restart")
    assert machine.environment_of(unit)["HTTPS_PROXY"] == "http://old.example:8080", "it was not restarted"
    assert "restarting" in set_up(machine, proxy, "crio", "--no-proxy", "lan.example")
    given = machine.environment_of(unit)
    assert given["HTTPS_PROXY"] == proxy.url
    bypassed = given["NO_PROXY"].split(",")
    assert {"git.corp.example", "lan.example", "127.0.0.0/8"} <= set(bypassed)
    assert len(bypassed) == len(set(bypassed))

    machine.write(f"/etc/systemd/system/{unit}.d/zz.conf", "[Service]\nEnvironment=HTTPS_PROXY=http://last.example\n")
    machine.run("systemctl", "daemon-reload").check_returncode()
    ran = machine.run("sh", "-s", stdin=script(proxy, "crio"))
    assert ran.returncode == 1
    assert f"another of its files sets HTTPS_PROXY too; see systemctl cat {unit}" in ran.stderr


def test_the_verdict_names_what_is_wrong(machine: Machine, story: Story, both: str, hub: Registry) -> None:
    proxy = story.proxy(both)
    machine.write("/etc/systemd/system/crio.service", STAND_IN)
    text = script(proxy, "crio")
    elsewhere = text.replace("PROBE='registry-1.docker.io'", "PROBE='10.1.2.3'")
    rows = {
        "there is no rke2-server.service rke2-agent.service on": (script(proxy, "rke2"), ()),
        "allow-address": (elsewhere, ()),
        "it does not come from your proxy": (text, ("--ca-sha256", "00:11")),
        "--trust is process or system, not all": (text, ("--trust", "all")),
        "there is no option --force": (text, ("--force",)),
        "--no-proxy needs a value": (text, ("--no-proxy",)),
    }
    for words, (given, options) in rows.items():
        ran = machine.run("sh", "-s", "--", *options, stdin=given)
        assert ran.returncode == 1
        assert words in ran.stderr, ran.stderr
    proxy.stop()
    ran = machine.run("sh", "-s", stdin=text)
    assert f"nothing answers at {proxy.url}" in ran.stderr


# What stands in for programs that make clusters: their one node is the machine itself.
KIND = """#!/bin/sh
[ "$*" = "get nodes --name lab" ] && echo lab-control-plane
"""
DOCKER = """#!/bin/sh
[ "$1 $2 $3" = "exec -i lab-control-plane" ] && shift 3 && exec "$@"
"""
MINIKUBE = """#!/bin/sh
[ "$1 $2" = "--profile lab" ] && shift 2 || exit 1
case $1 in
    node) echo "lab 192.168.49.2" ;;
    cp) cp "$2" "${3#lab:}" ;;
    ssh) shift 5 && exec "$@" ;;
esac
"""


@pytest.mark.parametrize("platform", ["kind", "minikube"])
def test_every_node_of_a_cluster_is_set_up_from_outside(
    platform: str, machine: Machine, story: Story, both: str, hub: Registry, images: Images
) -> None:
    need("containerd")
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both)
    machine.run("systemctl", "start", "containerd").check_returncode()
    for name, text in (("kind", KIND), ("docker", DOCKER), ("minikube", MINIKUBE)):
        machine.write(f"/root/bin/{name}", text)
    machine.run("sh", "-c", "chmod 755 /root/bin/*; echo 127.0.0.1 proxy.lab >>/etc/hosts").check_returncode()
    before = machine.changes()
    given = {"PATH": "/root/bin:/usr/sbin:/usr/bin:/sbin:/bin", "MINIKUBE_PROFILE": "lab"}
    given |= {"KIND_CLUSTER_NAME": "lab"}

    local = machine.run("sh", "-s", stdin=script(proxy, platform), **given)
    assert "fetch this script by an address that the nodes reach" in local.stderr
    text = machine.run("curl", "-sS", f"http://proxy.lab:{proxy.port}/setup/{platform}").stdout
    ran = machine.run("sh", "-s", stdin=text, **given)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "OK: every node of lab pulls through" in ran.stdout
    assert digest in pull_by_containerd(machine)
    undone = machine.run("sh", "-s", "--", "--uninstall", stdin=text, **given)
    assert undone.returncode == 0, undone.stderr
    assert machine.changes() == before


def test_k3d_is_given_a_file_to_make_clusters_with(machine: Machine, story: Story, both: str, hub: Registry) -> None:
    proxy = story.proxy(both)
    machine.run("sh", "-c", "echo 127.0.0.1 proxy.lab >>/etc/hosts").check_returncode()
    before = machine.changes()
    text = machine.run("curl", "-sS", f"http://proxy.lab:{proxy.port}/setup/k3d").stdout
    ran = machine.run("sh", "-s", stdin=text)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "k3d cluster create --config /root/.config/regproxy/k3d.yaml" in ran.stdout
    made = yaml.safe_load(machine.run("cat", "/root/.config/regproxy/k3d.yaml").stdout)
    variables = dict(one["envVar"].split("=", 1) for one in made["env"])
    assert variables["CONTAINERD_HTTPS_PROXY"] == f"http://proxy.lab:{proxy.port}"
    host, node = made["volumes"][0]["volume"].split(":")
    assert machine.run("cat", host).stdout == proxy.ca_file.read_text()
    assert node.startswith(variables["CONTAINERD_SSL_CERT_DIR"].split(":")[1])
    assert "nothing to change" in machine.run("sh", "-s", stdin=text).stdout
    assert machine.run("sh", "-s", "--", "--uninstall", stdin=text).returncode == 0
    assert machine.changes() == before


def test_the_old_script_rewritten_for_kind_sets_containerd_up_for_the_whole_machine(
    machine: Machine, story: Story, both: str, hub: Registry, images: Images
) -> None:
    need("containerd")
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both)
    machine.run("systemctl", "start", "containerd").check_returncode()
    command = (
        f"curl -sS {proxy.url}/setup/systemd | sed 's/docker\\.service/containerd\\.service/g' | "
        "sed '/Environment/ s/$/ \\\"NO_PROXY=127.0.0.0\\/8,10.0.0.0\\/8\\\"/' | bash"
    )
    first = machine.run("sh", "-c", command.replace('\\"', '"'))
    assert "configured with HTTPS_PROXY" in first.stdout, first.stdout + first.stderr
    given = machine.environment_of("containerd.service")
    assert given["NO_PROXY"] == "127.0.0.0/8,10.0.0.0/8"
    assert digest in pull_by_containerd(machine)
    curl = machine.run("curl", "-sS", "-o", "/dev/null", "--proxy", proxy.url, "--noproxy", "", f"https://{HUB}/v2/")
    assert curl.returncode == 0, curl.stderr
    running = machine.main_pid("containerd.service")
    assert "Nothing to change" in machine.run("sh", "-c", command.replace('\\"', '"')).stdout
    assert machine.main_pid("containerd.service") == running
