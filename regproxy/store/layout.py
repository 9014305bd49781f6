"""An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/` (image-spec 1.1, image-layout)."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.manifest import Descriptor, descriptors
from regproxy.model.oci import MAX_MANIFEST, OCI_INDEX, Digest, parse_digest

MARK, INDEX = "oci-layout", "index.json"
REF_NAME = "org.opencontainers.image.ref.name"
# What containerd writes beside it: the whole name, where `ref.name` is the tag alone.
IMAGE_NAME = "io.containerd.image.name"
MAX_INDEX = 64 * 1024 * 1024
MAX_NODES = 20_000  # of one image
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `index.json`: what it is called there, empty where it is not, and what it is."""

    name: str
    digest: Digest
    media_type: str
    size: int


def read_entries(layout: Path) -> list[Entry]:
    """The images of a layout; raises ValueError, one sentence, where the directory is none, and OSError."""
    try:
        return [_entry(one) for one in _listed(layout)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{layout / INDEX} is no index of images") from error


def _listed(layout: Path) -> list[dict[str, object]]:
    if not (layout / MARK).is_file():
        raise ValueError(f"{layout} is no OCI image layout: it has no file {MARK!r}")
    with (layout / INDEX).open("rb") as file:
        text = file.read(MAX_INDEX)
    try:
        listed: list[dict[str, object]] = json.loads(text)["manifests"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{layout / INDEX} is no index of images") from error
    return listed


def _entry(one: dict[str, object]) -> Entry:
    annotations = one.get("annotations")
    said = annotations if isinstance(annotations, dict) else {}
    name = str(said.get(IMAGE_NAME) or said.get(REF_NAME) or "")
    size = one.get("size")
    return Entry(name, parse_digest(str(one["digest"])), str(one.get("mediaType", "")), int(str(size or 0)))


def write_entries(layout: Path, entries: list[Entry]) -> None:
    """Write `index.json` and the mark; what was there under other names stays, and the file is replaced whole."""
    names = {entry.name for entry in entries}
    kept = [one for one in _listed(layout) if _entry(one).name not in names] if (layout / INDEX).exists() else []
    manifests = [
        {
            "mediaType": entry.media_type,
            "digest": str(entry.digest),
            "size": entry.size,
            "annotations": {REF_NAME: entry.name, IMAGE_NAME: entry.name},
        }
        for entry in entries
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*kept, *manifests]}
    (layout / MARK).write_text('{"imageLayoutVersion": "1.0.0"}\n', encoding="ascii")
    draft = layout / f"{INDEX}.new"
    draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draft.replace(layout / INDEX)


@dataclass(frozen=True, slots=True)
class Where:
    """A directory that has bytes by digest: a layout, or a cache, whose folders are one level deeper."""

    directory: Path
    spread: bool = False

    def path(self, digest: Digest) -> Path:
        """Where the bytes of this digest lie."""
        folder = self.directory / "blobs" / digest.algorithm
        return (folder / digest.encoded[:2] if self.spread else folder) / digest.encoded


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that an image consists of; `is_here`: its bytes are."""

    descriptor: Descriptor
    is_here: bool


def pieces(top: Descriptor, where: Where) -> list[Piece]:
    """The image from its manifest to its layers, each once, manifests before what they list."""
    found: dict[Digest, Piece] = {}
    waiting = [top]
    while waiting and len(found) < MAX_NODES:
        one = waiting.pop(0)
        if one.digest in found:
            continue
        path = where.path(one.digest)
        found[one.digest] = Piece(one, path.is_file())
        if found[one.digest].is_here and one.role == "manifest" and path.stat().st_size <= MAX_MANIFEST:
            waiting += descriptors(path.read_bytes())
    return list(found.values())


def missing(found: list[Piece]) -> tuple[list[str], list[str]]:
    """Platforms that are not here at all, and the digests without which what is here is no image."""
    absent = [one.descriptor for one in found if not one.is_here]
    platforms = [one.platform or str(one.digest) for one in absent if one.role == "manifest"]
    if not any(one.is_here and one.descriptor.role == "config" for one in found):
        return platforms, [str(one.digest) for one in absent]
    return platforms, [str(one.digest) for one in absent if one.role != "manifest"]


def copied(source: Path, layout: Path, digest: Digest) -> bool:
    """Copy content into a layout while it is hashed; whether it is what its name says. Does nothing twice."""
    path = Where(layout).path(digest)
    if path.exists():
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    state, draft = hashlib.new(digest.algorithm), path.with_name(f"{digest.encoded}.new")
    with source.open("rb") as file, draft.open("wb") as copy:
        for block in _blocks(file.fileno()):
            state.update(block)
            copy.write(block)
    if state.hexdigest() != digest.encoded:
        draft.unlink()
        return False
    draft.replace(path)
    return True


def _blocks(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, _BLOCK):
        yield block
