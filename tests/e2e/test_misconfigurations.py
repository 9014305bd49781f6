"""Mistakes of people who set a proxy up: what their own tool prints, or /doctor, names the way out.

Each row is one mistake, made with a real client or with the program itself. Two more are left without a word of what to
do: a client that finds nothing at a port prints that port and no more, and a full disk breaks no pull, so that nobody
but the log tells of it (`test_disk_trouble`).
"""

import http.client
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from regproxy.tls.authority import create
from tests.e2e.conftest import HUB, Images, hub_block, quay_block
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.clients import proxied, run
from tests.lab.hostile import Hostile
from tests.lab.peers import need
from tests.lab.policies import Block, policy
from tests.lab.processes import Processes, clean_environment, free_port, until
from tests.lab.proxy import Proxy, regproxy, regproxy_environment
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

IMAGE = "docker.io/library/small:latest"
HEAD = 'tunnel { ports 443 7443; deny "forbidden.test"; }\n'
DENIED = 'tier banned { match repo like "library/banned"; deny 403 "see go/images"; }\n'


@dataclass
class World:
    """A proxy that all mistakes are made with, and a folder of their own for each."""

    proxy: Proxy
    hub: Registry
    pki: Pki
    image: Path
    directory: Path
    sources: Iterator[int]
    before: frozenset[str] = frozenset()

    def skopeo(self, reference: str, *options: str, **environment: str) -> str:
        """What skopeo prints of a pull."""
        given = proxied(self.proxy, self.directory / "home") | environment
        command = ["skopeo", "inspect", "--raw", *options, f"docker://{reference}"]
        ok, output, _ = run(command, {name: value for name, value in given.items() if value})
        assert not ok, output
        return output

    def findings(self) -> frozenset[str]:
        """What the proxy tells of its clients on 127.0.0.1, whenever it was."""
        text = self.proxy.get("/doctor")[1].decode()
        return frozenset(re.split(r"^(?:LOOK|OK) +", re.sub(r", \d+ s ago", "", text), flags=re.MULTILINE)[1:])

    def doctor(self, word: str = "") -> str:
        """What it tells now and did not tell before this mistake, `word` in it; edges report within a moment."""
        new = f"something new for the doctor to tell {word}"
        until(lambda: any(word in one for one in self.findings() - self.before), 20, new)
        return "".join(sorted(self.findings() - self.before))

    def doctor_elsewhere(self) -> str:
        """What it tells a machine from which nothing came."""
        source = (f"127.0.0.{next(self.sources)}", 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=5, source_address=source)
        connection.request("GET", "/doctor")
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def serve(self, text: str, *arguments: str, ca: Path | None = None, **environment: str) -> str:
        """What a start prints that fails."""
        file = self.directory / "my.policy"
        file.write_text(text)
        places = ["--cache-dir", str(self.directory / "cache"), "--ca-dir", str(ca or self.directory / "ca")]
        ports = ["--listen", f"127.0.0.1:{free_port()}", "--metrics", f"127.0.0.1:{free_port()}"]
        command = regproxy("serve", *([] if environment else ["--policy", str(file)]), *places, *ports, *arguments)
        done = subprocess.run(
            command, env=regproxy_environment() | environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def shared(hub: Registry, quay: Registry, pki: Pki, images: Images) -> Iterator[tuple[Proxy, Registry, Pki, Path]]:
    need("skopeo", "openssl", "curl")
    image = images.small()
    hub.push(image, "library/small:latest")
    with Hostile(pki.leaf("stranger.test")) as stranger, _running(hub, quay, pki, stranger) as proxy:
        yield proxy, hub, pki, image.path


@contextmanager
def _running(hub: Registry, quay: Registry, pki: Pki, stranger: Hostile) -> Iterator[Proxy]:
    """A proxy that knows two registries well, one whose CA it was not told, and one that is gone."""
    text = policy(
        hub_block(hub, pki),
        quay_block(quay, pki),
        Block("stranger", ("stranger.test",), {"stranger.test": stranger.port}),
        Block("gone", ("gone.test",), {}),
        head=HEAD + DENIED,
    )
    with (
        tempfile.TemporaryDirectory(prefix="regproxy-", ignore_cleanup_errors=True) as name,
        Processes(Path(name) / "logs") as processes,
    ):
        yield Proxy(processes, Path(name) / "proxy", text, permit=("test",)).start()


@pytest.fixture
def world(shared: tuple[Proxy, Registry, Pki, Path], tmp_path: Path) -> World:
    return World(*shared, tmp_path, iter(range(10 + os.getpid() % 100, 250)))


def bypassed(**environment: str) -> Callable[[World], str]:
    """A pull that never reaches the proxy."""

    def pull(world: World) -> str:
        world.proxy.forget()
        before = len(world.proxy.log())
        world.skopeo("registry.invalid/a/b:1", **environment)
        assert len(world.proxy.log()) == before
        return world.doctor_elsewhere()

    return pull


def no_ca(world: World) -> str:
    world.skopeo(IMAGE, SSL_CERT_FILE=str(world.pki.root))
    return world.doctor()


def former_ca(world: World) -> str:
    former = create(world.directory / "former", ["docker.io"], time.time())
    world.skopeo(IMAGE, SSL_CERT_FILE=str(former.path))
    return world.doctor()


def clock(world: World) -> str:
    command = ["openssl", "s_client", "-proxy", f"127.0.0.1:{world.proxy.port}", "-connect", f"{HUB}:443"]
    command += [
        "-servername",
        HUB,
        "-CAfile",
        str(world.proxy.ca_file),
        "-verify_return_error",
        "-attime",
        "1000000000",
    ]
    ok, output, _ = run(command, clean_environment())
    assert not ok
    assert "not yet valid" in output
    return world.doctor()


def push(world: World) -> str:
    command = ["skopeo", "copy", "--all", "--insecure-policy", f"dir:{world.image}", "docker://docker.io/library/new:1"]
    ok, output, _ = run(command, proxied(world.proxy, world.directory / "home"))
    assert not ok
    return output


def other_host(world: World) -> str:
    with Client(world.proxy.port, world.proxy.ca_file, f"{HUB}:443") as client:
        return client.request("GET", "/v2/", {"Host": "quay.io"}).body.decode()


def uncovered(world: World) -> str:
    create(world.directory / "ca", ["docker.io"], time.time())
    return world.serve('policy 1;\nregistry lan { hosts "harbor.corp.example"; }\ntier rest { match any; pass; }\n')


def no_key(world: World) -> str:
    create(world.directory / "ca", ["docker.io"], time.time())
    (world.directory / "ca" / "ca.key").unlink()
    return world.serve("policy 1;\ntier rest { match any; pass; }\n")


def plain_folder(world: World) -> str:
    (world.directory / "cache").write_text("")
    return world.serve("policy 1;\ntier rest { match any; pass; }\n")


def taken(world: World) -> str:
    return world.serve("policy 1;\ntier rest { match any; pass; }\n", "--listen", f"127.0.0.1:{world.proxy.port}")


MISTAKES: dict[str, tuple[Callable[[World], str], tuple[str, ...]]] = {
    "no CA on the node": (no_ca, ("the client does not trust this proxy's CA", "/setup/node | sudo sh")),
    "the CA of a proxy before": (former_ca, ("does not trust this proxy's CA", "/ca.crt, SHA-256")),
    "a clock that is years behind": (clock, ("set its clock: here it is 20",)),
    "https:// in HTTPS_PROXY": (
        lambda world: world.skopeo(IMAGE, HTTPS_PROXY=world.proxy.url.replace("http:", "https:")) + world.doctor(),
        ("write http://, not https://, in HTTPS_PROXY",),
    ),
    "the port of the metrics": (
        lambda world: world.skopeo(IMAGE, HTTPS_PROXY=f"http://127.0.0.1:{world.proxy.metrics_port}"),
        ("the proxy listens on another, 3128",),
    ),
    "a registry in NO_PROXY": (bypassed(NO_PROXY="registry.invalid"), ("NO_PROXY must not cover the registry",)),
    "HTTP_PROXY alone": (bypassed(HTTPS_PROXY=""), ("HTTP_PROXY is not asked for registries",)),
    "set in a shell, not for the daemon": (
        bypassed(HTTPS_PROXY="", HTTP_PROXY=""),
        ("must be in the environment of the daemon", "must have been restarted"),
    ),
    "another address by NAT": (bypassed(NO_PROXY="*"), ("Behind NAT the daemon may come from another address",)),
    "a registry on a private address": (
        lambda world: world.skopeo("10.1.2.3:7443/a/b:1"),
        ("add it to tunnel { allow-address }",),
    ),
    "a registry on a port of its own": (
        lambda world: world.skopeo("registry.example:5000/a/b:1"),
        ("add it to tunnel { ports } or name the registry",),
    ),
    "a registry over plain HTTP": (
        lambda world: world.skopeo("registry.example:7443/a/b:1", "--tls-verify=false") + world.doctor("plain HTTP"),
        ("plain HTTP is only for registries with scheme http",),
    ),
    "a host that the policy denies": (
        lambda world: world.skopeo("forbidden.test/a/b:1"),
        ("remove it from tunnel { deny }",),
    ),
    "an image that the policy denies": (lambda world: world.skopeo("docker.io/library/banned:1"), ("see go/images",)),
    "a name that does not exist": (
        lambda world: world.skopeo("gone.test/a/b:1"),
        ("gone.test", "resolve"),
    ),
    "a registry with a CA of its own": (lambda world: world.skopeo("stranger.test/a/b:1"), ("tls { ca file }",)),
    "a wrong password": (
        lambda world: world.skopeo(IMAGE, "--creds", "alice:wrong"),
        ("unauthorized",),
    ),
    "a push through a proxy that only pulls": (push, ("push to the registry directly",)),
    "a client that says another Host": (other_host, ("connect",)),
    "a name that the CA does not cover": (uncovered, ("RP310", "--ca-permit")),
    "a CA without its key": (no_key, ("ca.key",)),
    "a cache that is no folder": (plain_folder, ("name another with --cache-dir",)),
    "a port that is taken": (taken, ("give another",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_printed_names_the_way_out(mistake: str, world: World) -> None:
    make, words = MISTAKES[mistake]
    world.before = world.findings()
    said = make(world)
    assert [word for word in words if word not in said] == [], said


def test_the_port_of_nobody_is_at_least_named(world: World) -> None:
    port = free_port()
    said = world.skopeo(IMAGE, HTTPS_PROXY=f"http://127.0.0.1:{port}")
    assert f"proxyconnect tcp: dial tcp 127.0.0.1:{port}: connect: connection refused" in said


def test_at_most_two_of_twenty_five_are_left_without_a_word() -> None:
    assert len(MISTAKES) == 25 - 2
