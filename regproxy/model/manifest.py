"""What a manifest refers to, read from its JSON (image-spec: image index and image manifest; Docker's are alike)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from regproxy.model.oci import Digest, parse_digest

MAX_CHILDREN = 10_000  # an index or image with more is not read to its end

Role = Literal["manifest", "config", "layer"]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One thing that a manifest lists; `size` in bytes, `platform` as `linux/arm64/v8`, empty where it is not said."""

    role: Role
    digest: Digest
    media_type: str = ""
    size: int = 0
    platform: str = ""


def descriptors(body: bytes) -> tuple[Descriptor, ...]:
    """What a manifest lists, in its order; empty for what is no manifest."""
    try:
        manifest = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(manifest, dict):
        return ()
    found: list[Descriptor] = []
    for role, listed in _listed(manifest):
        if len(found) >= MAX_CHILDREN:
            break
        one = _descriptor(role, listed)
        found += [one] if one is not None else []
    return tuple(found)


def _listed(manifest: dict[str, object]) -> Iterator[tuple[Role, object]]:
    """Everything that stands where a descriptor belongs."""
    lists: tuple[tuple[Role, str], ...] = (("manifest", "manifests"), ("layer", "layers"), ("layer", "blobs"))
    for role, key in lists:
        listed = manifest.get(key)
        yield from ((role, one) for one in (listed if isinstance(listed, list) else []))
    yield "config", manifest.get("config")
    # Docker's schema 1 names its layers otherwise.
    layers = manifest.get("fsLayers")
    for one in layers if isinstance(layers, list) else []:
        yield "layer", {"digest": one.get("blobSum")} if isinstance(one, dict) else None


def _descriptor(role: Role, listed: object) -> Descriptor | None:
    if not isinstance(listed, dict) or not isinstance(listed.get("digest"), str):
        return None
    try:
        digest = parse_digest(listed["digest"])
    except ValueError:
        return None
    size, kind = listed.get("size"), listed.get("mediaType")
    whole = size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else 0
    return Descriptor(role, digest, kind if isinstance(kind, str) else "", whole, _platform(listed.get("platform")))


def _platform(said: object) -> str:
    parts = [said.get(key) for key in ("os", "architecture", "variant")] if isinstance(said, dict) else []
    return "/".join(part for part in parts if isinstance(part, str) and part)


def platform_of(config: bytes) -> str:
    """The platform that the config of an image says, empty where it says none."""
    try:
        return _platform(json.loads(config))
    except (ValueError, RecursionError):
        return ""


def children(body: bytes) -> tuple[Digest, ...]:
    """The manifests, the config and the layers that a manifest lists, each once; empty for what is no manifest."""
    return tuple(dict.fromkeys(one.digest for one in descriptors(body)))
