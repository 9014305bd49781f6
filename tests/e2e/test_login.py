"""A client that brings credentials is relayed end to end, and leaves nothing for others."""

import base64
import json

import pytest

from tests.e2e.conftest import ALICE, HUB, PRIVATE, Images, Story
from tests.lab.client import Client
from tests.lab.clients import Containerd, Dockerd, Podman, Puller, Skopeo, proxied
from tests.lab.peers import need
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


@pytest.mark.parametrize("name", ["podman", "containerd", "dockerd"])
def test_every_client_with_a_login_reads_its_private_image(
    name: str, story: Story, both: str, hub: Registry, images: Images
) -> None:
    need(name)
    digest = hub.push(images.small(4), f"{PRIVATE}:1.0.0")
    proxy = story.proxy(both)
    home, folder = story.directory / "home", story.directory / name
    environment = proxied(proxy, home)
    login = f"{ALICE.user}:{ALICE.password}"
    auth = {"auth": base64.b64encode(login.encode()).decode()}
    for file in ("auth.json", "config.json"):
        (home / file).write_text(json.dumps({"auths": {"docker.io": auth, "https://index.docker.io/v1/": auth}}))
    client: Puller
    match name:
        case "podman":
            client = Podman(environment, folder)
        case "containerd":  # Its login is a form in a POST, without an Authorization field.
            client = Containerd(story.processes, environment, folder, login).start()
        case _:
            client = dockerd = Dockerd(story.processes, environment, folder).start()
            assert not dockerd.login("", ALICE.user, "guess")[0]
            ok, said = dockerd.login("", ALICE.user, ALICE.password)
            assert ok, said
    reference = f"docker.io/{PRIVATE}:1.0.0"
    pulled = client.pull(reference)
    assert pulled.ok, pulled.output
    assert digest in pulled.digests
    stranger = Skopeo(proxied(proxy, story.directory / "nobody"), story.directory / "stranger")
    assert not stranger.pull(reference).ok
    client.remove(reference)
    hub.forget()
    assert client.pull(reference).ok
    assert (hub.requests(), hub.tokens.requests if hub.tokens else None) == ([], []), "a warm pull asks nobody"
    client.remove(reference)
    with hub.stopped():
        assert client.pull(reference).ok
    assert ALICE.password not in proxy.process.output()
