"""What a manifest refers to."""

import json

import pytest

from regproxy.model.manifest import MAX_CHILDREN, children

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


def test_a_manifest_without_end_is_read_to_a_bound() -> None:
    layers = [{"digest": f"sha256:{number:064x}"} for number in range(MAX_CHILDREN + 5)]
    assert len(children(json.dumps({"layers": layers}).encode())) == MAX_CHILDREN
