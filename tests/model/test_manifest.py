"""What a manifest refers to."""

import json

import pytest

from regproxy.model.manifest import MAX_CHILDREN, Descriptor, children, descriptors, platform_of
from regproxy.model.oci import parse_digest

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


@pytest.mark.parametrize(
    ("manifest", "found"),
    [
        ({"config": {"digest": A}, "layers": [{"digest": B}, {"digest": C}, {"digest": B}]}, [B, C, A]),
        ({"manifests": [{"digest": A, "platform": {"os": "linux"}}, {"digest": B}]}, [A, B]),
        ({"fsLayers": [{"blobSum": A}, {"blobSum": A}]}, [A]),
        ({"blobs": [{"digest": A}], "subject": {"digest": B}}, [A]),
        ({"layers": [{"digest": "../../etc"}, {"digest": 7}, {}, None, "x"], "config": [A]}, []),
        ({"layers": {"digest": A}, "manifests": None}, []),
        ([A], []),
        ("x", []),
    ],
)
def test_children_are_what_it_lists_each_once(manifest: object, found: list[str]) -> None:
    assert [str(digest) for digest in children(json.dumps(manifest).encode())] == found


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[" * 100_000, b'{"a": 1' + b"0" * 5000 + b"}"])
def test_what_is_no_json_has_no_children(body: bytes) -> None:
    assert children(body) == ()


@pytest.mark.parametrize(
    ("config", "platform"),
    [
        (b'{"os":"linux","architecture":"arm64","variant":"v8","config":{}}', "linux/arm64/v8"),
        (b'{"os":"linux","architecture":7}', "linux"),
        (b'{"architecture":null}', ""),
        (b'["linux"]', ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_config_says_for_which_platform_it_is(config: bytes, platform: str) -> None:
    assert platform_of(config) == platform


def test_a_manifest_without_end_is_read_to_a_bound() -> None:
    layers = [{"digest": f"sha256:{number:064x}"} for number in range(MAX_CHILDREN + 5)]
    assert len(children(json.dumps({"layers": layers}).encode())) == MAX_CHILDREN


def test_what_a_manifest_says_of_its_children_is_told() -> None:
    arm = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    manifest = {
        "manifests": [{"digest": A, "size": 7, "mediaType": "x/y", "platform": arm}, {"digest": B, "size": -1}],
        "config": {"digest": C, "size": True, "mediaType": 5, "platform": {"os": ["linux"]}},
    }
    assert descriptors(json.dumps(manifest).encode()) == (
        Descriptor("manifest", parse_digest(A), "x/y", 7, "linux/arm64/v8"),
        Descriptor("manifest", parse_digest(B)),
        Descriptor("config", parse_digest(C)),
    )
