"""The proxy's other doors: inside TLS, where a password is not in clear, and behind a balancer."""

import json
import socket
import ssl
from pathlib import Path

import pytest

from tests.e2e.conftest import Images, Story, hub_block
from tests.e2e.test_users import REFERENCE, guarded, htpasswd, login
from tests.lab.certificates import Pki
from tests.lab.client import plain
from tests.lab.policies import policy
from tests.lab.processes import free_port, until
from tests.lab.proxy import regproxy, regproxy_environment
from tests.lab.registry import Registry


@pytest.mark.real
@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_a_client_pulls_with_its_password_inside_tls(
    name: str, story: Story, hub: Registry, pki: Pki, images: Images
) -> None:
    hub.push(images.small(), "library/small:latest")
    users, port = htpasswd(story.directory / "htpasswd", "ann"), free_port()
    doors = ("--listen-tls", f"127.0.0.1:{port}", "--tls-name", "localhost")
    proxy = story.proxy(guarded(hub, pki, users), arguments=doors)
    url = login(proxy, "ann").replace("http://", "https://").replace(f"127.0.0.1:{proxy.port}", f"localhost:{port}")
    pulled = story.client(name, proxy, url=url).pull(REFERENCE)
    assert pulled.ok, pulled.output
    assert {line["user"] for line in proxy.access(at_least=2)} == {"ann"}


def served(port: int, ca: Path, name: str) -> dict[str, object]:
    """The certificate that the proxy shows."""
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=name) as connection,
    ):
        return dict(connection.getpeercert() or {})


def test_the_operators_own_certificate_is_shown(story: Story, hub: Registry, pki: Pki) -> None:
    port, own = free_port(), pki.leaf("proxy.corp.example")
    own.key.chmod(0o600)
    doors = ("--listen-tls", f"127.0.0.1:{port}", "--tls-certificate", str(own.certificate), "--tls-key", str(own.key))
    story.proxy(policy(hub_block(hub, pki)), arguments=doors)
    assert served(port, pki.root, "proxy.corp.example")["subjectAltName"] == (("DNS", "proxy.corp.example"),)


@pytest.mark.parametrize(
    ("doors", "said"),
    [
        (["--listen-tls", "PORT", "--tls-name", "10.0.0.5"], "does not permit 10.0.0.5, the proxy's name"),
        (["--listen-tls", "PORT", "--tls-certificate", "/nowhere/c", "--tls-key", "/nowhere/k"], "No such file"),
        (["--listen-tls", "PORT", "--tls-certificate", "/nowhere/c"], "belong together"),
        (["--tls-name", "proxy.example"], "are for --listen-tls"),
        (["--proxy-protocol-from", "10.0.0.1/8"], "has host bits set"),
    ],
)
def test_a_door_that_cannot_be_opened_is_no_start(doors: list[str], said: str, story: Story) -> None:
    file = story.directory / "p.policy"
    file.write_text('policy 1;\nregistry r { hosts "registry.example"; }\n')
    command = regproxy("serve", "--policy", str(file), "--listen", f"127.0.0.1:{free_port()}")
    command += ["--cache-dir", str(story.directory / "cache"), "--ca-dir", str(story.directory / "ca")]
    given = [f"127.0.0.1:{free_port()}" if word == "PORT" else word for word in doors]
    process = story.processes.add("refused", [*command, *given], regproxy_environment())
    process.start()
    assert process.wait(30) in (1, 2)
    assert said in process.output()


def test_behind_a_balancer_the_log_has_the_clients_own_address(story: Story, hub: Registry, pki: Pki) -> None:
    proxy = story.proxy(policy(hub_block(hub, pki)), arguments=("--proxy-protocol-from", "127.0.0.2/32"), workers=2)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10, source_address=("127.0.0.2", 0)) as raw:
        raw.sendall(b"PROXY TCP4 10.1.2.3 10.0.0.1 56324 3128\r\n")
        raw.sendall(b"CONNECT 10.9.9.9:22 HTTP/1.1\r\nHost: 10.9.9.9:22\r\n\r\n")
        assert b"403" in raw.recv(4096)
    assert plain(proxy.port, "GET", "/").status == 200, "whoever is no balancer needs no header"
    until(lambda: '"client":"10.1.2.3"' in json.dumps(proxy.log(), separators=(",", ":")), 20, "the line")
