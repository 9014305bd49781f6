"""A client that brings credentials is relayed end to end, and leaves nothing for others."""

import pytest

from tests.e2e.conftest import ALICE, HUB, PRIVATE, Images, Story
from tests.lab.client import Client
from tests.lab.clients import Skopeo, proxied
from tests.lab.registry import Registry

pytestmark = pytest.mark.real


def test_a_private_image_is_for_who_may_read_it(story: Story, both: str, hub: Registry, images: Images) -> None:
    image = images.small(4)
    digest = hub.push(image, f"{PRIVATE}:1")
    proxy = story.proxy(both)
    environment = proxied(proxy, story.directory / "home")
    alice = Skopeo(environment, story.directory / "alice", f"{ALICE.user}:{ALICE.password}")
    stranger = Skopeo(environment, story.directory / "stranger")
    mallory = Skopeo(environment, story.directory / "mallory", f"{ALICE.user}:wrong")
    reference = f"docker.io/{PRIVATE}:1"

    assert not stranger.pull(reference).ok
    pulled = alice.pull(reference)
    assert pulled.ok, pulled.output
    assert pulled.digests == {digest}
    assert not stranger.pull(reference).ok
    assert not mallory.pull(reference).ok
    with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
        for path in (f"manifests/{digest}", *(f"blobs/{each}" for each in image.blobs)):
            assert client.get(f"/v2/{PRIVATE}/{path}").status in {401, 404}
    assert ALICE.password not in proxy.process.output()


def test_a_login_does_not_spoil_public_images(story: Story, both: str, hub: Registry, images: Images) -> None:
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both)
    environment = proxied(proxy, story.directory / "home")
    alice = Skopeo(environment, story.directory / "alice", f"{ALICE.user}:{ALICE.password}")
    anyone = Skopeo(environment, story.directory / "anyone")
    assert alice.pull("docker.io/library/small:latest").digests == {digest}
    assert anyone.pull("docker.io/library/small:latest").digests == {digest}
    hub.forget()
    assert anyone.pull("docker.io/library/small:latest").digests == {digest}
    assert hub.requests() == []
