"""Every upstream is gone: warm images still pull, cold ones fail soon and say why."""

import pytest

from tests.e2e.conftest import HUB, Images, Story
from tests.lab.registry import Registry

pytestmark = pytest.mark.real


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
    assert pulled.seconds < 15
    assert HUB in pulled.output
    assert "refused" in pulled.output.lower(), pulled.output


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
    assert pulled.seconds < 15
    assert "auth.docker.io" in pulled.output, pulled.output
