"""Plain HTTP through the proxy port: for registries with `scheme http`, and for nothing else."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Images, Story
from tests.lab.answers import image_answers
from tests.lab.client import plain
from tests.lab.hostile import Hostile
from tests.lab.policies import Block, policy
from tests.lab.proxy import Proxy

HOST = "plain.test"


@pytest.fixture
def clear() -> Iterator[Hostile]:
    """A registry without TLS."""
    with Hostile(None) as server:
        yield server


@pytest.fixture(scope="module")
def unreached(shared_story: Story) -> Iterator[tuple[Proxy, Hostile]]:
    """A proxy before such a registry, to which nothing may come."""
    with Hostile(None) as server:
        yield shared_story.proxy(policy(Block("lan", (HOST,), {HOST: server.port}, scheme="http"))), server


def test_a_registry_with_scheme_http_is_cached(story: Story, clear: Hostile, images: Images) -> None:
    image = images.small()
    clear.serve(HOST, image_answers(image, "team/app", "1.0.0"))
    proxy = story.proxy(policy(Block("lan", (HOST,), {HOST: clear.port}, scheme="http")))
    layer = image.platforms[0].layers[0].digest
    for path, digest in (("manifests/1.0.0", image.digest), (f"blobs/{layer}", layer)):
        for _ in range(2):
            target = f"http://{HOST}/v2/team/app/{path}"
            reply = plain(proxy.port, "GET", target, accept=image.top.media_type)
            assert (reply.status, reply.digest) == (200, digest)
        assert len(clear.seen(HOST, f"/v2/team/app/{path}")) == 1


@pytest.mark.parametrize(
    "target",
    ["http://elsewhere.test/v2/", "http://127.0.0.1/", "http://169.254.169.254/latest/", "https://plain.test/v2/"],
)
def test_any_other_absolute_target_is_refused_in_words(target: str, unreached: tuple[Proxy, Hostile]) -> None:
    proxy, registry = unreached
    reply = plain(proxy.port, "GET", target)
    assert 400 <= reply.status < 500
    assert b"proxy is working" not in reply.body
    assert "regproxy" in reply.reason
    assert registry.connections == 0


def test_a_host_field_that_disagrees_with_the_target_gets_421(unreached: tuple[Proxy, Hostile]) -> None:
    proxy, registry = unreached
    reply = plain(proxy.port, "GET", f"http://{HOST}/v2/", host="other.test")
    assert reply.status == 421
    assert registry.connections == 0


def test_an_https_registry_is_not_reached_in_the_clear(story: Story, clear: Hostile) -> None:
    proxy = story.proxy(policy(Block("tls", (HOST,), {HOST: clear.port})))
    assert 400 <= plain(proxy.port, "GET", f"http://{HOST}/v2/").status < 500
    assert clear.connections == 0
