"""Real clients pull through the proxy, cold and warm."""

from pathlib import Path

import pytest

from regproxy.model.oci import OCI_INDEX
from tests.e2e.conftest import HUB, QUAY, Images, Story, quay_block
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.clients import direct
from tests.lab.images import Image
from tests.lab.policies import packaged_tiers, policy
from tests.lab.processes import until
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

CLIENTS = ("skopeo", "podman", "containerd", "dockerd")
FROM_HERE = {"hit", "local"}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_warm_pull_equals_a_direct_one_and_leaves_the_proxy_alone(
    name: str, story: Story, both: str, hub: Registry, images: Images, tmp_path: Path
) -> None:
    digest = hub.push(images.small(), "library/small:latest")
    expected = direct(tmp_path).pull(f"127.0.0.1:{hub.push_port}/library/small:latest")
    proxy = story.proxy(both)
    client = story.client(name, proxy)
    hub.forget()

    cold = client.pull("docker.io/library/small:latest")
    assert cold.ok, cold.output
    assert hub.requests(), "the cold pull must reach the registry"
    assert expected.digests == {digest} <= cold.digests

    client.remove("docker.io/library/small:latest")
    hub.forget()
    proxy.forget()
    warm = client.pull("docker.io/library/small:latest")
    assert warm.ok, warm.output
    assert warm.digests == cold.digests
    assert hub.requests() == []
    assert hub.tokens is not None
    assert hub.tokens.requests == []
    outcomes = [line["outcome"] for line in proxy.access(at_least=4)]
    assert set(outcomes) <= FROM_HERE, outcomes


@pytest.mark.parametrize(
    ("kind", "name"),
    [("docker", "dockerd"), ("docker", "containerd"), ("zstd", "containerd"), ("zstd", "podman"), ("large", "dockerd")],
)
def test_every_kind_of_image_is_pulled_once_from_upstream(
    kind: str, name: str, story: Story, both: str, hub: Registry, images: Images
) -> None:
    image: Image = getattr(images, kind)()
    reference = f"library/{kind}:1.0.0"
    hub.push(image, reference)
    proxy = story.proxy(both)
    client = story.client(name, proxy)
    for upstream_expected in (True, False):
        hub.forget()
        pulled = client.pull(f"docker.io/{reference}")
        assert pulled.ok, pulled.output
        assert image.digest in pulled.digests
        assert bool(hub.requests()) is upstream_expected
        client.remove(f"docker.io/{reference}")


def test_what_one_client_warmed_the_other_three_get_for_nothing(
    story: Story, both: str, hub: Registry, images: Images
) -> None:
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both)
    assert story.client("skopeo", proxy).pull("docker.io/library/small:latest").ok
    hub.forget()
    for name in ("podman", "containerd", "dockerd"):
        pulled = story.client(name, proxy).pull("docker.io/library/small:latest")
        assert pulled.ok, pulled.output
        assert digest in pulled.digests
    assert hub.requests() == []


def test_every_answer_says_where_it_came_from(story: Story, both: str, hub: Registry, images: Images) -> None:
    image = images.small()
    hub.push(image, "library/small:latest")
    proxy = story.proxy(both)
    tag = "/v2/library/small/manifests/latest"
    layer = image.platforms[0].layers[0].digest
    paths = [tag, f"/v2/library/small/blobs/{layer}", "/v2/", "/v2/library/small/manifests/nosuchtag", "/elsewhere"]
    accept = {"Accept": image.top.media_type}
    with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
        cold = {path: client.request("GET", path, accept) for path in paths}
        warm = {path: client.request("GET", path, accept) for path in paths}
        head = client.request("HEAD", tag, accept)
    for reply in (*cold.values(), *warm.values(), head):
        assert reply.fields["cache-status"].startswith("regproxy;")
        assert reply.fields["x-docker-registry-proxy-cache-upstream-status"]
        assert reply.fields["x-docker-registry-proxy-cache-type"]
    assert cold[tag].digest == warm[tag].digest == image.digest
    assert "fwd=uri-miss" in cold[tag].fields["cache-status"]
    for path in paths[:2]:
        assert warm[path].status == 200
        assert warm[path].fields["cache-status"].startswith("regproxy; hit")
        assert warm[path].fields["x-docker-registry-proxy-cache-upstream-status"] == "HIT"
    assert head.status == 200
    assert head.fields["content-length"] == str(image.top.size)
    assert head.fields["docker-content-digest"] == image.digest
    assert head.body == b""


def test_ranges_and_conditions_are_answered_from_the_cache(
    story: Story, both: str, hub: Registry, images: Images
) -> None:
    image = images.small()
    hub.push(image, "library/small:latest")
    proxy = story.proxy(both)
    layer = image.platforms[0].layers[0]
    path = f"/v2/library/small/blobs/{layer.digest}"
    data = image.read(layer.digest)
    with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
        client.get("/v2/library/small/manifests/latest", Accept=image.top.media_type)
        assert client.get(path).body == data
        hub.forget()
        part = client.get(path, Range="bytes=100-199")
        assert (part.status, part.body) == (206, data[100:200])
        assert part.fields["content-range"] == f"bytes 100-199/{layer.size}"
        assert client.get(path, Range="bytes=-7").body == data[-7:]
        assert client.get(path, Range=f"bytes={layer.size}-").status == 416
        same = client.request("GET", path, {"If-None-Match": client.get(path).fields["etag"]})
        assert (same.status, same.body) == (304, b"")
    assert hub.requests() == []


def test_behind_a_new_version_come_the_layers_that_clients_pull_before_one_does(
    story: Story, quay: Registry, pki: Pki, images: Images
) -> None:
    digests = [quay.push(images.small(seed), f"team/ahead:{seed}") for seed in (1, 2)]
    tiers = packaged_tiers().replace("defaults {", "defaults { prefetch on;")
    proxy = story.proxy(policy(quay_block(quay, pki), tiers=tiers))
    client = story.client("skopeo", proxy)
    assert client.pull(f"{QUAY}/team/ahead:1").ok
    with Client(proxy.port, proxy.ca_file, f"{QUAY}:443") as looks:
        assert looks.get("/v2/team/ahead/manifests/2", Accept=OCI_INDEX).status == 200
    until(lambda: proxy.metrics().get('regproxy_prefetched_bytes_total{registry="quay"}', 0) > 4e6, 30, "the layers")
    with quay.stopped():
        pulled = client.pull(f"{QUAY}/team/ahead:2")
    assert pulled.ok, pulled.output
    assert digests[1] in pulled.digests
