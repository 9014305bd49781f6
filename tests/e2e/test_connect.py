"""CONNECT: what is refused opens no socket and says why; what is not ours is tunnelled untouched."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.e2e.conftest import Story, hostile_block
from tests.lab.answers import Answer, blob, redirect
from tests.lab.certificates import Pki
from tests.lab.client import Client, Refused, connect
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import Block, policy
from tests.lab.proxy import Proxy

OPEN_PORTS = "tunnel { ports any; }\n"  # so that only the address stands in the way


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A listener on every loopback address, of IPv6 too where there is one, that nobody may reach."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("::" if both else "0.0.0.0", 0), family=family, dualstack_ipv6=both) as listener:
        listener.setblocking(False)
        yield listener


def _untouched(trap: socket.socket) -> bool:
    with suppress(BlockingIOError):
        trap.accept()[0].close()
        return False
    return True


@pytest.fixture(scope="module")
def open_ports(shared_story: Story) -> Proxy:
    """A proxy that tunnels to any port, of addresses that are not closed."""
    return shared_story.proxy(policy(head=OPEN_PORTS))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.0.2",
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "100.64.0.1",
    ],
)
def test_connect_to_an_address_of_ours_is_refused_and_opens_no_socket(
    host: str, open_ports: Proxy, trap: socket.socket
) -> None:
    with pytest.raises(Refused) as refused:
        connect(open_ports.port, f"{host}:{trap.getsockname()[1]}").close()
    assert refused.value.status in {400, 403}
    assert refused.value.reason.isascii()
    assert refused.value.reason.isprintable()
    assert "regproxy" in refused.value.reason
    assert _untouched(trap)


def test_the_proxy_does_not_connect_to_itself(story: Story) -> None:
    proxy = story.proxy(policy(head='tunnel { ports any; allow-address "127.0.0.0/8"; }\n'))
    for port in (proxy.port, proxy.metrics_port):
        with pytest.raises(Refused) as refused:
            connect(proxy.port, f"127.0.0.1:{port}").close()
        assert refused.value.status == 403


def test_a_redirect_to_a_closed_address_is_not_followed(
    story: Story, hostile: Hostile, pki: Pki, trap: socket.socket
) -> None:
    port = trap.getsockname()[1]
    places = [f"https://127.0.0.2:{port}/x", f"http://127.0.0.2:{port}/x", "http://169.254.169.254/latest/meta-data/"]
    block = Block(
        "hostile", ("registry.test",), {"registry.test": hostile.port}, pki.root, allow_address=("127.0.0.1/32",)
    )
    proxy = story.proxy(policy(block))
    with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
        for number, place in enumerate(places):
            digest = sha256(bytes([number]))
            hostile.on("registry.test", f"/v2/team/app/blobs/{digest}", redirect(307, place))
            reply = client.get(f"/v2/team/app/blobs/{digest}")
            assert reply.status == 502
            assert b"errors" in reply.body
    assert _untouched(trap)


def test_a_tunnel_carries_the_upstreams_own_certificate(story: Story, hostile: Hostile, pki: Pki) -> None:
    hostile.on(f"localhost:{hostile.port}", "/file", Answer(200, (), b"from the far end"))
    proxy = story.proxy(policy(head='tunnel { ports any; allow-address "127.0.0.0/8" "::1/128"; }\n'))
    with Client(proxy.port, pki.root, f"localhost:{hostile.port}") as client:
        reply = client.get("/file")
        assert (reply.status, reply.body) == (200, b"from the far end")
        assert "cache-status" not in reply.fields
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(proxy.port, proxy.ca_file, f"localhost:{hostile.port}")


def test_only_the_policys_ports_are_tunnelled(story: Story) -> None:
    proxy = story.proxy(policy())
    with pytest.raises(Refused) as refused:
        connect(proxy.port, "example.com:25").close()
    assert refused.value.status == 403
    assert "25" in refused.value.reason


@pytest.mark.real
@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_the_reason_of_a_refusal_is_what_the_user_reads(name: str, story: Story) -> None:
    proxy = story.proxy(policy(head='tunnel { deny "forbidden.test"; }\n'))
    pulled = story.client(name, proxy).pull("forbidden.test/team/app:1")
    assert not pulled.ok
    assert "regproxy" in pulled.output, pulled.output
    assert "forbidden.test" in pulled.output


def test_redirects_to_a_named_host_work_where_the_address_is_open(story: Story, hostile: Hostile, pki: Pki) -> None:
    data = b"layer" * 1000
    path = f"/v2/team/app/blobs/{sha256(data)}"
    hostile.on("registry.test", path, redirect(307, "https://cdn.test/signed?expires=1"))
    hostile.on("cdn.test", "/signed", blob(data))
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
        assert client.get(path).body == data


@pytest.mark.parametrize("workers", [1, 2])
def test_with_ipv6_off_a_client_that_names_an_address_of_it_reads_why(workers: int, story: Story) -> None:
    proxy = story.proxy(policy(), arguments=("--ipv6", "off"), workers=workers)
    with pytest.raises(Refused, match="2606:4700::1111 is an IPv6 address, and IPv6 is off"):
        connect(proxy.port, "[2606:4700::1111]:443").close()
