"""Whose content it is: the CONNECT authority decides, nothing that a client or another registry says."""

import pytest

from tests.e2e.conftest import HUB, QUAY, Images, Story, hostile_block, hub_block, quay_block
from tests.lab.answers import Answer, Received
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import policy
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real


def test_the_same_name_on_two_registries_gives_each_its_own(
    story: Story, both: str, hub: Registry, quay: Registry, images: Images
) -> None:
    ours = hub.push(images.small(1), "team/app:1.0")
    theirs = quay.push(images.small(2), "team/app:1.0")
    proxy = story.proxy(both)
    skopeo = story.client("skopeo", proxy)
    for _ in range(2):  # cold, then warm
        assert skopeo.pull("docker.io/team/app:1.0").digests == {ours}
        assert skopeo.pull("quay.io/team/app:1.0").digests == {theirs}


def test_the_same_blob_on_two_registries_is_on_disk_once(
    story: Story, both: str, hub: Registry, quay: Registry, images: Images
) -> None:
    image = images.small(3)
    hub.push(image, "team/twin:1")
    quay.push(image, "team/twin:1")
    proxy = story.proxy(both)
    skopeo = story.client("skopeo", proxy)
    assert skopeo.pull("docker.io/team/twin:1").ok
    assert skopeo.pull("quay.io/team/twin:1").ok
    for digest, blob in image.blobs.items():
        files = [file for file in proxy.cache.rglob("*") if file.is_file() and digest.partition(":")[2] in file.name]
        assert len(files) == 1
        assert sha256(files[0].read_bytes()) == digest
        assert files[0].stat().st_size == blob.size


def test_a_registry_that_says_200_to_every_head_gets_no_bytes_of_another(
    story: Story, hub: Registry, images: Images, hostile: Hostile, pki: Pki
) -> None:
    image = images.small()
    hub.push(image, "library/small:latest")
    layer = image.platforms[0].layers[0]
    things = {
        f"/v2/library/small/blobs/{layer.digest}": layer,
        f"/v2/library/small/manifests/{image.digest}": image.top,
        "/v2/library/small/manifests/latest": image.top,
    }

    def lie(request: Received) -> Answer:
        thing = things.get(request.path, layer)
        fields = (("Content-Type", thing.media_type), ("Docker-Content-Digest", thing.digest))
        return Answer(200, fields, claim=thing.size) if request.method == "HEAD" else Answer(404)

    hostile.on("registry.test", "/v2/*", lie)
    proxy = story.proxy(policy(hub_block(hub, pki), hostile_block(hostile, pki)))
    assert story.client("skopeo", proxy).pull("docker.io/library/small:latest").ok
    with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
        for path, thing in things.items():
            assert client.get(path).digest == thing.digest
    with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
        for path, thing in things.items():
            assert client.request("HEAD", path).status == 200
            reply = client.get(path)
            assert reply.status in {404, 502}
            assert reply.digest != thing.digest


def test_another_registrys_host_field_gets_421_and_changes_nothing(
    story: Story, both: str, hub: Registry, quay: Registry, images: Images
) -> None:
    ours = hub.push(images.small(1), "team/poison:1")
    quay.push(images.small(2), "team/poison:1")
    proxy = story.proxy(both)
    path = "/v2/team/poison/manifests/1"
    accept = images.small().top.media_type
    quay.forget()
    hub.forget()
    with Client(proxy.port, proxy.ca_file, f"{QUAY}:443") as client:
        reply = client.request("GET", path, {"Host": HUB, "Accept": accept})
        assert reply.status == 421
    with Client(proxy.port, proxy.ca_file, f"{QUAY}:443") as client:
        reply = client.request("GET", f"https://{HUB}{path}", {"Host": HUB, "Accept": accept})
        assert reply.status == 421
    assert quay.requests() == hub.requests() == []
    with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
        assert client.get(path, Accept=accept).digest == ours


@pytest.fixture(scope="module")
def before_quay(shared_story: Story, quay: Registry, pki: Pki) -> Proxy:
    """A proxy that is asked for what it refuses."""
    return shared_story.proxy(policy(quay_block(quay, pki)))


@pytest.mark.parametrize(
    "target",
    [
        "/v2/library/../../etc/passwd",
        "/v2/library/small/blobs/sha256:../../x",
        "/v2/library%2fsmall/manifests/latest",
        "/v2/UPPER/manifests/latest",
        "/v2/library//small/manifests/latest",
        "/v2/library/small/manifests/.hidden",
    ],
)
def test_what_the_oci_grammar_does_not_know_never_goes_upstream(
    target: str, before_quay: Proxy, quay: Registry
) -> None:
    quay.forget()
    with Client(before_quay.port, before_quay.ca_file, f"{QUAY}:443") as client:
        assert client.get(target).status in {400, 404}
    assert quay.requests() == []
