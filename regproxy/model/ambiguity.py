"""Manifests that two readers may take for two different things (CVE-2021-41190)."""

import json

from regproxy.model.oci import MANIFEST_TYPES


def ambiguity(body: bytes, media_type: str) -> str | None:
    """Why nobody should be given this manifest under this media type; None for what is clear, or no manifest at all."""
    try:
        manifest = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict):
        return None
    if "manifests" in manifest and ("layers" in manifest or "config" in manifest):
        return "the manifest is an index and an image at once"
    said = manifest.get("mediaType")
    if isinstance(said, str) and media_type in MANIFEST_TYPES and said.lower() != media_type:
        return f"the manifest says that it is {said[:100]}, its Content-Type that it is {media_type}"
    return None
