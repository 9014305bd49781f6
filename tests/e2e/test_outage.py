"""Every upstream is gone: warm images still pull, cold ones fail soon and say why."""

import contextlib
import socket

import pytest

from tests.e2e.conftest import HUB, Images, Story
from tests.lab.certificates import Pki
from tests.lab.policies import Block, policy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

# Without limits of the proxy's own a client waits for minutes; a busy machine has time.
SOON = 30


@pytest.mark.parametrize("name", ["dockerd", "containerd"])
def test_a_warm_image_survives_the_outage_and_the_proxys_own_death(
    name: str, story: Story, both: str, hub: Registry, images: Images
) -> None:
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both)
    client = story.client(name, proxy)
    assert client.pull("docker.io/library/small:latest").ok
    with hub.stopped():
        client.remove("docker.io/library/small:latest")
        first = client.pull("docker.io/library/small:latest")
        assert first.ok, first.output
        client.remove("docker.io/library/small:latest")
        proxy.kill()
        proxy.start()
        second = client.pull("docker.io/library/small:latest")
        assert second.ok, second.output
        assert digest in first.digests & second.digests


@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_a_cold_image_fails_soon_and_the_client_names_upstream_and_cause(
    name: str, story: Story, both: str, hub: Registry
) -> None:
    proxy = story.proxy(both)
    client = story.client(name, proxy)
    with hub.stopped():
        pulled = client.pull("docker.io/library/cold:latest")
    assert not pulled.ok
    assert pulled.seconds < SOON
    assert HUB in pulled.output
    assert "refused" in pulled.output.lower(), pulled.output


def test_an_upstream_that_swallows_packets_is_given_up_soon(story: Story, pki: Pki) -> None:
    """dockerd asks three times, one after the other, and each time the connection attempt has to run out."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # A full backlog: the kernel drops what knocks from now on.
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(hole.getsockname())
        block = Block("hole", ("registry.test",), {"registry.test": hole.getsockname()[1]}, pki.root)
        pulled = story.client("dockerd", story.proxy(policy(block))).pull("registry.test/team/app:1")
    assert not pulled.ok
    assert pulled.seconds < SOON
    assert "registry.test: Connection timed out" in pulled.output, pulled.output


def test_a_cold_image_fails_when_only_the_token_service_is_gone(story: Story, both: str, hub: Registry) -> None:
    proxy = story.proxy(both)
    client = story.client("skopeo", proxy)
    assert hub.tokens is not None
    hub.tokens.stop()
    try:
        pulled = client.pull("docker.io/library/cold:latest")
    finally:
        hub.tokens.start()
    assert not pulled.ok
    assert pulled.seconds < SOON
    assert "auth.docker.io" in pulled.output, pulled.output
