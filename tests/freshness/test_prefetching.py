"""What is worth fetching before a client asks."""

import pytest

from regproxy.freshness.prefetching import MAX_BYTES, MAX_LAYERS, MAX_MANIFESTS, layers_worth, manifests_worth
from regproxy.model.manifest import Descriptor
from regproxy.model.oci import Digest

DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_ELSEWHERE = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"


def digest(number: int) -> Digest:
    return Digest("sha256", f"{number:064x}")


def layers(*sizes: int, media_type: str = "") -> list[Descriptor]:
    return [Descriptor("layer", digest(number), media_type, size) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("listed", "worth"),
    [
        ([], 0),
        (layers(1, 2, 3), 3),
        ([Descriptor("config", digest(1), "", 5), *layers(1, 2)], 2),  # each once
        ([Descriptor("manifest", digest(9), "", 5)], 0),
        (layers(1, 0, 3), 2),  # schema 1 says no sizes
        (layers(1, media_type=DOCKER_FOREIGN), 0),
        (layers(1, media_type=OCI_ELSEWHERE), 0),
        (layers(*[1] * (MAX_LAYERS + 5)), MAX_LAYERS),
        (layers(MAX_BYTES - 1, 1, 1), 2),
        (layers(MAX_BYTES + 1, 1), 0),
    ],
)
def test_layers_are_taken_in_order_until_a_bound(listed: list[Descriptor], worth: int) -> None:
    assert len(layers_worth(listed)) == worth


@pytest.mark.parametrize(
    ("platforms", "seen", "worth"),
    [
        (["linux/amd64", "linux/arm64/v8"], {"linux/amd64"}, ["linux/amd64"]),
        (["linux/amd64", "linux/arm64/v8"], set(), []),
        (["linux/arm64"], {"linux/arm64/v8"}, []),
        ([""], {""}, [""]),
        (["linux/amd64"] * (MAX_MANIFESTS + 1), {"linux/amd64"}, ["linux/amd64"] * MAX_MANIFESTS),
    ],
)
def test_manifests_are_taken_for_platforms_that_were_seen(
    platforms: list[str], seen: set[str], worth: list[str]
) -> None:
    listed = [Descriptor("manifest", digest(number), platform=one) for number, one in enumerate(platforms)]
    assert [one.platform for one in manifests_worth(listed, frozenset(seen))] == worth
