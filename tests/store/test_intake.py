"""What is carried into a directory: verified, named on the operator's word, and nobody's before that is given."""

import json
from pathlib import Path

import pytest

from regproxy.model.account import ANONYMOUS
from regproxy.model.address import Authority
from regproxy.model.entry import BindingKey, Link, LinkKey
from regproxy.model.oci import OCI_INDEX, OCI_MANIFEST, Digest, Kind
from regproxy.store.intake import Carried, Intake
from regproxy.store.rows import Changes, read_binding, read_granted, read_link, write
from regproxy.store.scrub import Directory, looked_over
from tests.store.opening import digest_of, tree

HUB = Authority("registry-1.docker.io", 443)
LAYER = b"layer" * 100
MANIFEST = json.dumps({"mediaType": OCI_MANIFEST, "layers": [{"digest": str(digest_of(LAYER))}]}).encode()
NOW = 2_000_000.0


def carried(body: bytes, digest: Digest, kind: Kind = Kind.BLOB, media_type: str = "") -> Carried:
    """The body in two pieces."""
    return Carried("library/redis", kind, digest, media_type, (body[:3], body[3:]))


def granted(directory: Directory) -> float | None:
    return read_granted(directory.tables, HUB, "library/redis", ANONYMOUS.label)


@pytest.mark.parametrize("public", [True, False])
def test_it_is_linked_and_named_and_public_only_when_that_is_said(public: bool, tmp_path: Path) -> None:
    key = BindingKey(HUB, "library/redis", "7")
    with looked_over(tmp_path, make=True) as directory:
        intake = Intake(directory, NOW, public=public)
        assert intake.take(HUB, carried(LAYER, digest_of(LAYER))) == len(LAYER)
        assert intake.take(HUB, carried(MANIFEST, digest_of(MANIFEST), Kind.MANIFEST, OCI_MANIFEST)) == len(MANIFEST)
        intake.name(key, digest_of(MANIFEST), OCI_MANIFEST, len(MANIFEST))
        intake.open_to_all([(HUB, "library/redis")])
        assert list(directory.verify(lambda _: None)) == []
        assert [tag for tag, _ in directory.tags()] and read_binding(directory.tables, key)
        assert granted(directory) == (NOW if public else None)
        child = directory.tables.one("SELECT child FROM reference WHERE manifest = ?", str(digest_of(MANIFEST)))
        assert child == (str(digest_of(LAYER)),)
    assert (tmp_path / "CLEAN").exists()


@pytest.mark.parametrize(
    ("body", "digest", "kind", "media_type"),
    [
        pytest.param(LAYER, digest_of(b"other"), Kind.BLOB, "", id="other bytes"),
        pytest.param(LAYER[:-1], digest_of(LAYER), Kind.BLOB, "", id="a part"),
        pytest.param(MANIFEST, digest_of(MANIFEST), Kind.MANIFEST, OCI_INDEX, id="a manifest that says two things"),
        pytest.param(
            bytes(4 * 1024**2 + 1), digest_of(bytes(4 * 1024**2 + 1)), Kind.MANIFEST, "", id="a huge manifest"
        ),
    ],
)
def test_what_is_not_right_is_not_taken(
    body: bytes, digest: Digest, kind: Kind, media_type: str, tmp_path: Path
) -> None:
    with looked_over(tmp_path, make=True) as directory:
        assert Intake(directory, NOW, public=True).take(HUB, carried(body, digest, kind, media_type)) is None
        assert directory.total().entries == 0
        assert read_link(directory.tables, LinkKey(HUB, "library/redis", kind, digest)) is None
    assert tree(tmp_path) == []


def test_what_the_registry_said_itself_stands(tmp_path: Path) -> None:
    key, own = LinkKey(HUB, "library/redis", Kind.BLOB, digest_of(LAYER)), Link("a/b", len(LAYER), (), 1.0, "get")
    with looked_over(tmp_path, make=True) as directory:
        write(directory.tables, Changes(links=((key, own),)))
        Intake(directory, NOW, public=False).take(HUB, carried(LAYER, digest_of(LAYER)))
        assert read_link(directory.tables, key) == own
