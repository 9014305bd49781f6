"""Tunnels through a parent proxy that asks for a password: real clients, and no edge that ever holds it."""

import base64
import socket
from pathlib import Path

import bcrypt
import pytest

from tests.e2e.conftest import Images, Story
from tests.e2e.test_lending import leaks
from tests.lab.certificates import Pki
from tests.lab.client import Refused, connect
from tests.lab.policies import Block, policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real
HOST, REFERENCE = "inner.test", "inner.test/team/app:1"
USER, PASSWORD = "corp\\ann", "parents-Qx7:@/ß"
IN_URL = "corp%5Cann:parents-Qx7%3A%40%2F%C3%9F"
FORMS = (IN_URL.partition(":")[2].encode(), base64.b64encode(f"{USER}:{PASSWORD}".encode()))


def parent(story: Story, registry: Registry, pki: Pki) -> Proxy:
    """A proxy for one user, which alone knows where the registry is."""
    users = story.directory / "htpasswd"
    users.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    users.chmod(0o600)
    block = Block("inner", (HOST,), {HOST: registry.port}, pki.root)
    head = f'users file "{users}";\nclient-group ours {{ user "corp\\\\ann"; }}\naccess {{ allow ours; }}\n'
    arguments = ("--workers", "1")
    text = policy(block, head=head)
    return Proxy(story.processes, story.directory / "parent", text, permit=(HOST,), arguments=arguments).start()


def child(story: Story, above: Proxy, userinfo: str = IN_URL) -> tuple[Proxy, Path]:
    """A proxy behind it, and the file of its secret."""
    secret = story.directory / "parent-url"
    secret.write_text(f"http://{userinfo}@127.0.0.1:{above.port}\n")
    secret.chmod(0o600)
    rules = f'ports any; allow-address "127.0.0.1/32"; proxy file "{secret}"; no-proxy "127.0.0.0/8";'
    return story.proxy(policy(head=f"tunnel {{ {rules} }}\n"), workers=2), secret


@pytest.mark.parametrize("name", ["skopeo", "dockerd"])
def test_a_client_pulls_through_both_and_reads_why_not_when_the_parent_refuses(
    name: str, story: Story, pki: Pki, images: Images
) -> None:
    registry = Registry(story.processes, story.directory, HOST, pki.leaf(HOST))
    registry.start()
    digest = registry.push(images.small(7), "team/app:1")
    above = parent(story, registry, pki)
    proxy, secret = child(story, above)
    # What the client trusts is who ends its TLS: the parent, through the blind tunnel.
    client = story.client(name, above, url=proxy.url)
    pulled = client.pull(REFERENCE)
    assert pulled.ok, pulled.output
    assert digest in pulled.digests
    assert {line["user"] for line in above.access(at_least=2)} == {USER}
    assert leaks(proxy, PASSWORD, FORMS) == []
    with socket.create_server(("127.0.0.1", 0)) as near, connect(proxy.port, f"127.0.0.1:{near.getsockname()[1]}"):
        near.accept()[0].close()
    client.remove(REFERENCE)
    secret.write_text(f"http://{IN_URL}wrong@127.0.0.1:{above.port}\n")
    until(lambda: any(line.get("event") == "reload" for line in proxy.log()), 20, "a reload")
    refused = client.pull(REFERENCE)
    assert not refused.ok
    said = "regproxy cannot reach inner.test: the parent proxy answered 407 regproxy does not know this user"
    assert said in " ".join(refused.output.split()), refused.output
    # What an edge tells is written a moment later.
    until(lambda: any(line.get("event") == "connect" for line in proxy.log()), 5, "a line")
    failed = next(line for line in proxy.log() if line.get("event") == "connect")
    assert (failed["decision"], failed["status"], failed["authority"]) == ("failed", 502, HOST)
    assert proxy.metrics()['regproxy_connect_requests_total{decision="failed"}'] >= 1
    above.stop()
    with pytest.raises(Refused, match=r"502 regproxy cannot reach inner.test: .*Connection refused"):
        connect(proxy.port, f"{HOST}:443")
