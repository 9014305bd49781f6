"""What a manifest refers to, read from its JSON (image-spec: image index and image manifest; Docker's are alike)."""

import json
from collections.abc import Iterator

from regproxy.model.oci import Digest, parse_digest

MAX_CHILDREN = 10_000  # an index or image with more is not read to its end


def children(body: bytes) -> tuple[Digest, ...]:
    """The manifests, the config and the layers that a manifest lists, each once; empty for what is no manifest."""
    try:
        manifest = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(manifest, dict):
        return ()
    found: dict[Digest, None] = {}
    for text in _digests(manifest):
        try:
            found[parse_digest(text)] = None
        except ValueError:
            continue
        if len(found) >= MAX_CHILDREN:
            break
    return tuple(found)


def _digests(manifest: dict[str, object]) -> Iterator[str]:
    """Every text that stands where a child's digest belongs."""
    for key in ("manifests", "layers", "blobs"):
        listed = manifest.get(key)
        yield from _named(listed if isinstance(listed, list) else [], "digest")
    yield from _named([manifest.get("config")], "digest")
    # Docker's schema 1 names its layers otherwise.
    layers = manifest.get("fsLayers")
    yield from _named(layers if isinstance(layers, list) else [], "blobSum")


def _named(descriptors: list[object], key: str) -> Iterator[str]:
    for descriptor in descriptors:
        text = descriptor.get(key) if isinstance(descriptor, dict) else None
        if isinstance(text, str):
            yield text
