"""One corpus of spellings of addresses that nobody may reach, tried in every way in which others name a host.

Whoever names it: the client by CONNECT, by a URL or by the mirror's `ns`; a registry by a redirect or by its realm.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Story
from tests.lab.answers import Answer, redirect
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.peers import need
from tests.lab.policies import Block, policy
from tests.lab.proxy import Proxy

CORPUS = (
    # loopback and unspecified, as the usual, dword, octal, hexadecimal and short spellings
    *"127.0.0.1 127.0.0.2 127.255.255.254 0.0.0.0 2130706433 0x7f000001 0x7F.0.0.1 017700000001 0177.0.0.1".split(),
    *"127.1 127.0.1 0 00 0x0 1 127.0.0.1. 127.0.0.1.. localhost localhost. LOCALHOST 127.000.000.001".split(),
    # metadata services, link-local, private, shared, multicast, broadcast
    *"169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.170.2 168.63.129.16 100.100.100.200".split(),
    *"10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 192.0.2.1 198.18.0.1 224.0.0.1 255.255.255.255 167772161".split(),
    # IPv6: loopback, mapped, compatible, NAT64, 6to4, Teredo, unique local, link-local with and without a zone
    *"[::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::ffff:169.254.169.254]".split(),
    *"[64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [64:ff9b:1::1] [2002:7f00:1::] [2002:a9fe:a9fe::1]".split(),
    *"[2001:0:7f00:1::] [fd00::1] [fd00:ec2::254] [fe80::1] [fe80::1%lo] [fe80::1%25lo] [::1%lo] [ff02::1]".split(),
    # what other programs make an address of
    *"\uff11\uff12\uff17.\uff10.\uff10.\uff11 127。0。0。1 ①②⑦.⓪.⓪.① ⓛocalhost".split(),
    *"%31%32%37.0.0.1 127.0.0.1%00.example 127%2e0%2e0%2e1".split(),
    *"example.com@127.0.0.1 127.0.0.1#.example 127.0.0.1\\.example 127.0.0.1?.example 127.0.0.1/.example".split(),
)
# Where the registries of these stories lie: the one address that their block opens.
THERE = "127.77.0.1"


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A listener on every address of this machine, which nobody may reach."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture
def evil(pki: Pki) -> Iterator[Hostile]:
    """A registry for every spelling, all on one port: what one says must not hide what another would do."""
    with Hostile(pki.leaf(*HOSTS), address=THERE) as server:
        yield server


HOSTS = tuple(f"r{number}.registry.test" for number in range(len(CORPUS)))


@pytest.fixture
def proxy(story: Story, pki: Pki, evil: Hostile) -> Proxy:
    """A proxy whose tunnels may use any port, so that only the address stands in the way."""
    block = Block("evil", HOSTS, dict.fromkeys(HOSTS, evil.port), pki.root, allow_address=(f"{THERE}/32",))
    return story.proxy(policy(block, head="tunnel { ports any; }\n").replace("127.0.0.1:", f"{THERE}:"), workers=1)


@contextmanager
def dialled(proxy: Proxy, told: Path) -> Iterator[list[str]]:
    """Every TCP connection that the proxy opened meanwhile, or tried to: the system calls, as strace writes them."""
    need("strace")
    found: list[str] = []
    command = ["strace", "-f", "-q", "-yy", "-e", "trace=connect", "-o", str(told), "-p", str(proxy.process.pid)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        try:
            deadline = time.monotonic() + 10
            while "TracerPid:\t0\n" in Path(f"/proc/{proxy.process.pid}/status").read_text():
                assert time.monotonic() < deadline, "strace did not attach"
                time.sleep(0.01)
            yield found
        finally:
            tracer.terminate()
            tracer.wait(10)
    found += [line for line in told.read_text().splitlines() if "connect(" in line and "<TCP" in line]


def ask(proxy: Proxy, line: str, host: str) -> int:
    """The status of a request in the clear, its line and Host as they are; 0 where there is no answer."""
    head = f"{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", proxy.port), 20) as client:
        client.sendall(head)
        answer = client.recv(100)
    return int(answer.split(b" ")[1]) if answer else 0


def inside(proxy: Proxy, number: int, path: str) -> int:
    """The status of a request to one of the registries, through its interception."""
    with Client(proxy.port, proxy.ca_file, f"{HOSTS[number]}:443") as client:
        return client.get(path).status


def _connect(proxy: Proxy, _evil: Hostile, _number: int, place: str) -> int:
    return ask(proxy, f"CONNECT {place}", place)


def _url(proxy: Proxy, _evil: Hostile, _number: int, place: str) -> int:
    return ask(proxy, f"GET http://{place}/v2/", place)


def _mirror(proxy: Proxy, _evil: Hostile, _number: int, place: str) -> int:
    return ask(proxy, f"GET /v2/a/b/manifests/1?ns={quote(place)}", "mirror.test")


def _redirect(proxy: Proxy, evil: Hostile, number: int, place: str) -> int:
    path = f"/v2/a/b/blobs/{sha256(place.encode())}"
    evil.on(HOSTS[number], path, redirect(307, f"https://{place}/x".encode().decode("latin-1")))
    return inside(proxy, number, path)


def _realm(proxy: Proxy, evil: Hostile, number: int, place: str) -> int:
    challenge = f'Bearer realm="https://{place}/token",service="x"'.encode().decode("latin-1")
    evil.on(HOSTS[number], "*", Answer(401, (("WWW-Authenticate", challenge),)))
    return inside(proxy, number, "/v2/a/b/manifests/1")


@pytest.mark.parametrize("way", [_connect, _url, _mirror, _redirect, _realm])
def test_no_spelling_of_a_closed_address_makes_the_proxy_open_a_connection(
    way: Callable[[Proxy, Hostile, int, str], int], proxy: Proxy, evil: Hostile, trap: socket.socket, story: Story
) -> None:
    port = trap.getsockname()[1]
    with dialled(proxy, story.directory / "connections") as connections:
        answers = {host: way(proxy, evil, number, f"{host}:{port}") for number, host in enumerate(CORPUS)}
    assert {host: status for host, status in answers.items() if status < 400} == {}
    elsewhere = [line for line in connections if f'inet_addr("{THERE}")' not in line]
    assert elsewhere == []
    # Who names a host from outside causes no connection at all; a registry is asked before it can name one.
    assert bool(connections) is (way in (_redirect, _realm))
    with pytest.raises(BlockingIOError):
        trap.accept()


@pytest.mark.parametrize("way", [_redirect, _realm])
def test_a_host_that_the_policy_names_is_judged_by_the_address_that_it_has_when_it_is_dialled(
    way: Callable[[Proxy, Hostile, int, str], int], story: Story, pki: Pki, evil: Hostile, trap: socket.socket
) -> None:
    named = f"localhost:{trap.getsockname()[1]}"
    host = HOSTS[0]
    block = Block(
        "evil",
        (host,),
        {host: evil.port},
        pki.root,
        token_hosts=(named,),
        redirect_hosts=(named,),
        allow_address=(f"{THERE}/32",),
    )
    proxy = story.proxy(policy(block).replace(f"127.0.0.1:{evil.port}", f"{THERE}:{evil.port}"), workers=1)
    with dialled(proxy, story.directory / "connections") as connections:
        assert way(proxy, evil, 0, named) >= 400
    assert connections != []
    assert [line for line in connections if f'inet_addr("{THERE}")' not in line] == []
    with pytest.raises(BlockingIOError):
        trap.accept()
