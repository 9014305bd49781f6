"""Users of the proxy: real clients that carry user and password in the proxy's URL."""

from pathlib import Path
from urllib.parse import quote

import bcrypt
import pytest

from regproxy.model.access import ASK, WRONG
from tests.e2e.conftest import Images, Story, hub_block
from tests.lab.certificates import Pki
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

PASSWORD = 'p: *@"  /ß'
REFERENCE = "docker.io/library/small:latest"


def htpasswd(file: Path, *users: str) -> Path:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()
    file.write_text("".join(f"{user}:{hashed}\n" for user in users))
    file.chmod(0o600)
    return file


def guarded(hub: Registry, pki: Pki, users: Path) -> str:
    """Docker Hub for the users of a group alone."""
    head = f'users file "{users}";\nclient-group ops {{ user "ann"; }}\naccess {{ allow ops; }}\n'
    return policy(hub_block(hub, pki), head=head)


def login(proxy: Proxy, user: str, password: str = PASSWORD) -> str:
    return f"http://{user}:{quote(password, safe='')}@127.0.0.1:{proxy.port}"


@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_a_client_pulls_with_user_and_password_in_its_proxys_url_and_reads_why_not_without(
    name: str, story: Story, hub: Registry, pki: Pki, images: Images
) -> None:
    hub.push(images.small(), "library/small:latest")
    users = htpasswd(story.directory / "htpasswd", "ann")
    proxy = story.proxy(guarded(hub, pki, users))
    for url, said in (("", ASK), (login(proxy, "ann", "wrong"), WRONG)):
        refused = story.client(name, proxy, url=url).pull(REFERENCE)
        assert not refused.ok
        assert said in " ".join(refused.output.split()), refused.output
    pulled = story.client(name, proxy, url=login(proxy, "ann")).pull(REFERENCE)
    assert pulled.ok, pulled.output
    lines = proxy.access(at_least=2)
    assert {line["user"] for line in lines} == {"ann"}
    written = proxy.process.output() + str(proxy.metrics())
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "wrong@", "$2b$"):
        assert secret not in written


def test_a_user_that_is_taken_out_of_the_file_pulls_no_more(
    story: Story, hub: Registry, pki: Pki, images: Images
) -> None:
    hub.push(images.small(), "library/small:latest")
    users = htpasswd(story.directory / "htpasswd", "ann", "ben")
    proxy = story.proxy(guarded(hub, pki, users))
    client = story.client("skopeo", proxy, url=login(proxy, "ann"))
    assert client.pull(REFERENCE).ok
    htpasswd(users, "ben")
    until(lambda: any(line.get("event") == "reload" for line in proxy.log()), 20, "a reload")
    refused = client.pull(REFERENCE)
    assert not refused.ok
    assert WRONG in " ".join(refused.output.split()), refused.output
    htpasswd(users, "ann")
    until(lambda: sum(line.get("event") == "reload" for line in proxy.log()) > 1, 20, "a reload")
    assert client.pull(REFERENCE).ok
