"""Clients without a login pull what is private with a credential that the policy lends them; nobody sees it."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.conftest import ALICE, HUB, PRIVATE, QUAY, Images, Story, hub_block
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.policies import Block, policy
from tests.lab.processes import Processes, until
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry
from tests.lab.tokens import Account

pytestmark = pytest.mark.real

# As bcrypt (`htpasswd -B`) has it.
ROBOT = Account("robot$a", "pa:ss*  w'o\"rd")
ROBOT_LINE = "robot$a:$2y$04$regproxyregproxyregpreytb3tPI5ScStw7eOOAE22j9AuSF1362\n"


@pytest.fixture(autouse=True)
def _owned_by_alice(hub: Registry) -> Iterator[None]:
    """Whoever a story lets read the private repository, the next one finds it as it was."""
    yield
    assert hub.tokens is not None
    hub.tokens.allow(PRIVATE, ALICE)


@pytest.fixture(scope="module")
def harbor(request: pytest.FixtureRequest, lab: Path, pki: Pki, servers: Processes) -> Registry:
    """A registry that asks for Basic."""
    registry = Registry(
        servers,
        lab / str(request.module.__name__).rpartition(".")[2],
        "harbor.test",
        pki.leaf("harbor.test"),
        accounts=ROBOT_LINE,
    )
    registry.start()
    return registry


def harbor_block(harbor: Registry, pki: Pki, *auth: str) -> Block:
    return Block("harbor", ("harbor.test",), {"harbor.test": harbor.port}, pki.root, more=auth)


def auth(account: Account, file: Path, more: str = "", scope: str = "") -> str:
    file.write_text(account.password + "\n")
    file.chmod(0o600)
    return f'auth basic {scope} {{ username "{account.user}"; password file "{file}"; {more} }}'


def leaks(proxy: Proxy, secret: str, forms: tuple[bytes, ...] = ()) -> list[str]:
    """Where the secret is to be found that it should not be: what is written, shown, or held by an edge."""
    needles = (secret.encode(), *forms)
    shown = {
        "log": proxy.process.output().encode(),
        "metrics": proxy.get("/metrics", proxy.metrics_port)[1],
        "page": proxy.get("/")[1],
    }
    for path in proxy.cache.rglob("*"):
        if path.is_file():
            shown[str(path)] = path.read_bytes()
    for pid in (proxy.process.pid, *proxy.edges(), *filter(None, [proxy.core()])):
        for name in ("environ", "cmdline"):
            shown[f"{pid} {name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
    for pid in proxy.edges():
        shown[f"{pid} memory"] = memory(pid)
    return [name for name, data in shown.items() if any(needle in data for needle in needles)]


def memory(pid: int) -> bytes:
    """All that a process may have written: its private pages."""
    data = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            places, rights, *_ = line.split()
            if "w" not in rights:
                continue
            start, stop = (int(text, 16) for text in places.split("-"))
            try:
                file.seek(start)
                data += file.read(stop - start)
            except (OSError, ValueError):
                continue
    return bytes(data)


def reloads(proxy: Proxy) -> list[dict[str, object]]:
    return [line for line in proxy.log() if line.get("event") == "reload"]


@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_a_client_without_a_login_pulls_a_private_image_by_tokens_and_by_basic(
    name: str, story: Story, hub: Registry, harbor: Registry, pki: Pki, images: Images
) -> None:
    digest = hub.push(images.small(4), f"{PRIVATE}:1")
    assert harbor.push(images.small(4), "team/app:1") == digest
    more = (auth(ALICE, story.directory / "hub", scope='for "library/private"'),)
    text = policy(
        replace(hub_block(hub, pki), more=more), harbor_block(harbor, pki, auth(ROBOT, story.directory / "robot"))
    )
    proxy = story.proxy(text, permit=("harbor.test",), workers=2)
    client = story.client(name, proxy)
    for reference in (f"docker.io/{PRIVATE}:1", "harbor.test/team/app:1"):
        pulled = client.pull(reference)
        assert pulled.ok, pulled.output
        assert digest in pulled.digests
        client.remove(reference)
    hub.forget()
    harbor.forget()
    for reference in (f"docker.io/{PRIVATE}:1", "harbor.test/team/app:1"):
        assert digest in client.pull(reference).digests
        client.remove(reference)
    assert [*hub.requests(), *harbor.requests()] == [], "what was lent once is stored for all it is lent to"
    assert leaks(proxy, ALICE.password, (b"YWxpY2U6d29uZGVybGFuZA",)) == []
    assert leaks(proxy, ROBOT.password) == []


def test_what_an_edge_holds_is_looked_at_where_a_secret_would_be(story: Story, quay: Registry, pki: Pki) -> None:
    block = Block("quay", (QUAY,), {QUAY: quay.port}, pki.root)
    proxy = story.proxy(policy(block), workers=2)
    canary = "a-canary-of-this-test"
    with Client(proxy.port, proxy.ca_file, f"{QUAY}:443") as client:
        assert client.get(f"/v2/{canary}/manifests/1").status == 404
        assert any(canary.encode() in memory(pid) for pid in proxy.edges())


def test_rotation_of_a_secret_fails_no_pull_and_a_wrong_one_fails_none_that_is_stored(
    story: Story, hub: Registry, pki: Pki, images: Images
) -> None:
    assert hub.tokens is not None
    image = images.small(4)
    hub.push(image, f"{PRIVATE}:1")
    hub.push(images.small(), "library/open:1")
    file = story.directory / "hub"
    block = replace(hub_block(hub, pki), more=(auth(ALICE, file),))
    tiers = "defaults { stale if-error 1h on credential; }\ntier all { match kind in [manifest, blob]; fresh 0s; }\n"
    proxy = story.proxy(policy(block, tiers=tiers))

    def pull(_: int) -> set[int]:
        with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
            return {
                client.get(f"/v2/{PRIVATE}/{path}").status
                for path in ("manifests/1", f"blobs/{next(iter(image.blobs))}")
            }

    def reload(secret: str) -> None:
        before = len(reloads(proxy))
        file.write_text(secret)
        os.kill(proxy.process.pid, signal.SIGHUP)
        until(lambda: len(reloads(proxy)) > before, 20, "the reload")
        assert reloads(proxy)[-1]["result"] == "success"

    with ThreadPoolExecutor(50) as pool:
        renewed = replace(ALICE, password="looking-glass")
        hub.tokens.allow(PRIVATE, ALICE, renewed)
        pulls = [pool.submit(pull, number) for number in range(50)]
        reload(renewed.password)
        pulls += [pool.submit(pull, number) for number in range(50)]
        assert {status for each in pulls for status in each.result(60)} == {200}
    hub.tokens.allow(PRIVATE, renewed)
    assert pull(0) == {200}
    reload("wrong")
    with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
        stale = client.get(f"/v2/{PRIVATE}/manifests/1")
        assert (stale.status, "stale" in stale.fields["cache-status"]) == (200, True)
        assert client.get("/v2/library/open/manifests/1").status == 200
        cold = client.get(f"/v2/{PRIVATE}/manifests/2")
        assert cold.status == 502
        assert f"file {file}, read at ".encode() in cold.body
    assert proxy.ready()
    assert leaks(proxy, renewed.password) == []
