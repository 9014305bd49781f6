"""Setup scripts and files: clean shell, well-formed, and filled wherever they are to be filled."""

import base64
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from regproxy.model.address import Authority, parse_authority
from regproxy.model.registry import HostPattern, Registry
from regproxy.setup.facts import Facts, probe
from regproxy.setup.platforms import NODE, PLATFORMS, Platform, platform
from regproxy.setup.template import fill, template
from tests.lab.peers import need

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
FACTS = Facts(Authority("proxy.example", 3128), PEM, "AB:CD", "registry-1.docker.io")
ASKED_FOR = """docker containerd k3s rke2 crio podman kind k3d minikube talos bottlerocket buildkit cloud-init ansible
desktop systemd node""".split()  # fmt: skip

every_platform = pytest.mark.parametrize("one", PLATFORMS, ids=lambda one: one.name)


def is_script(text: str) -> bool:
    return text.startswith("#!/bin/sh\n")


def test_every_platform_is_there_under_its_name() -> None:
    assert sorted(one.name for one in PLATFORMS) == sorted(ASKED_FOR)
    assert all(platform(one.name) is one for one in PLATFORMS)
    assert platform("..") is None


@every_platform
def test_a_file_is_filled_in_full(one: Platform) -> None:
    text = one.text(FACTS)
    assert not re.search(r"@[A-Z0-9_]+@", text)
    assert FACTS.url in text
    carried = base64.b64encode(PEM.encode()).decode() if one.name == "bottlerocket" else "MIIB"
    assert one.name == "desktop" or carried in text
    assert FACTS.fingerprint in text or one.name in ("systemd", "cloud-init", "ansible")
    assert one.command(FACTS).count(f"{FACTS.url}/setup/{one.name}") == 1


@pytest.mark.parametrize("proxy", ["proxy.example", "10.0.0.7:3128", "[fd00::7]:3128"])
@every_platform
def test_a_script_is_clean_to_shellcheck(one: Platform, proxy: str, tmp_path: Path) -> None:
    need("shellcheck")
    text = one.text(Facts(parse_authority(proxy, 80), PEM, "AB:CD"))
    if not is_script(text):
        return
    (tmp_path / "script.sh").write_text(text)
    ran = subprocess.run(["shellcheck", "script.sh"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


@every_platform
def test_a_script_cut_short_by_a_broken_download_does_nothing(one: Platform, tmp_path: Path) -> None:
    """Whatever comes of it, all that acts stands in functions, and the last line calls the first of them."""
    text = one.text(FACTS)
    if not is_script(text):
        return
    assert text.splitlines()[-1] in ('main "$@"', "setup")
    shell = shutil.which("sh")
    assert shell is not None
    cuts = range(0, len(text) - len(text.splitlines()[-1]) - 1, 397)
    for cut in (*cuts, text.rindex("\n", 0, -1)):
        done = subprocess.run(
            [shell, "-s"],
            input=text[:cut],
            text=True,
            capture_output=True,
            check=False,
            env={"PATH": "/nonexistent"},
            cwd=tmp_path,
        )
        assert done.stdout in ("", "Not a systemd system\n"), cut
    assert list(tmp_path.iterdir()) == []


def test_what_other_machines_are_given_is_well_formed_and_holds_the_script_as_it_is() -> None:
    script = NODE.text(FACTS)
    (cloud,) = yaml.safe_load(_text("cloud-init"))["write_files"]
    assert _text("cloud-init").startswith("#cloud-config\n")
    assert cloud["content"] == script
    (play,) = yaml.safe_load(_text("ansible"))
    assert play["vars"]["regproxy_script"] == script
    # Ansible would take these for its own.
    assert not re.search(r"\{\{|\{%|\{#", script)
    machine, roots = yaml.safe_load_all(_text("talos"))
    assert machine["machine"]["env"]["https_proxy"] == FACTS.url
    assert roots["certificates"] == PEM
    bottle = tomllib.loads(_text("bottlerocket"))["settings"]
    assert base64.b64decode(bottle["pki"]["regproxy"]["data"]).decode() == PEM
    assert bottle["network"]["https-proxy"] == FACTS.url


def _text(name: str) -> str:
    found = platform(name)
    assert found is not None
    return found.text(FACTS)


def test_the_script_that_kind_users_rewrite_by_sed_can_still_be_rewritten() -> None:
    """Its old users put containerd in docker's place, and NO_PROXY at the end of the line that sets the environment."""
    lines = [line for line in _text("systemd").splitlines() if "Environment" in line]
    assert lines == ['Environment="HTTPS_PROXY=http://proxy.example:3128/"']
    assert _text("systemd").count("docker.service") == 2


def test_a_place_without_a_value_is_noticed_and_one_alone_is_indented() -> None:
    assert fill("a @X@ b\n  @X@\n", {"X": "1\n\n2"}) == "a 1\n\n2 b\n  1\n\n  2\n"
    with pytest.raises(KeyError):
        fill("@Y@", {"X": ""})
    with pytest.raises(FileNotFoundError):
        template("nothing.sh")


def test_the_registry_to_try_is_the_first_that_is_named_in_full_and_intercepted() -> None:
    wild = Registry("wild", (HostPattern("pkg.dev", 443, wildcard=True),))
    plain = Registry("plain", (HostPattern("lan.example", 5000),), scheme="http")
    tunnelled = Registry("tunnelled", (HostPattern("far.example", 443),), intercept=False)
    port = Registry("port", (HostPattern("harbor.example", 8443), HostPattern("quay.io", 443)))
    assert probe([wild, plain, tunnelled, port]) == "harbor.example:8443"
    assert probe([wild]) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("docker", "there is no docker.service on this machine"),
        ("k3s", "there is no k3s.service k3s-agent.service on this machine"),
        ("node", "no dockerd, containerd, CRI-O, BuildKit, k3s or RKE2 is installed here"),
    ],
)
def test_a_machine_without_the_daemon_is_left_as_it_is(name: str, said: str, tmp_path: Path) -> None:
    stubs, etc = tmp_path / "bin", tmp_path / "etc"
    stubs.mkdir()
    for command, body in (("systemctl", "exit 1"), ("id", "echo 0")):
        (stubs / command).write_text(f"#!/bin/sh\n{body}\n")
        (stubs / command).chmod(0o755)
    found = platform(name)
    assert found is not None
    done = subprocess.run(
        ["sh", "-s"],
        input=found.text(FACTS).replace("/etc/", f"{etc}/"),
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": f"{stubs}:/usr/bin:/bin"},
        timeout=20,
    )
    assert (done.returncode, said in done.stderr, done.stdout, etc.exists()) == (1, True, "", False)
