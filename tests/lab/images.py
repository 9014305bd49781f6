"""Images made on the spot: deterministic by seed, incompressible, multi-arch, OCI or docker, gzip or zstd.

An image lies in skopeo's `dir:` layout, which keeps every media type as it is (its `oci:` refuses docker's).
"""

import gzip
import hashlib
import io
import json
import random
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Compression = Literal["gzip", "zstd", "none"]
Format = Literal["oci", "docker"]
MIB = 1 << 20
_PIECE = 128 * MIB

_OCI = "application/vnd.oci.image."
_DOCKER = "application/vnd.docker."
_MANIFEST = {"oci": f"{_OCI}manifest.v1+json", "docker": f"{_DOCKER}distribution.manifest.v2+json"}
_INDEX = {"oci": f"{_OCI}index.v1+json", "docker": f"{_DOCKER}distribution.manifest.list.v2+json"}
_CONFIG = {"oci": f"{_OCI}config.v1+json", "docker": f"{_DOCKER}container.image.v1+json"}
_LAYER: dict[tuple[str, str], str] = {
    ("oci", "gzip"): f"{_OCI}layer.v1.tar+gzip",
    ("oci", "zstd"): f"{_OCI}layer.v1.tar+zstd",
    ("oci", "none"): f"{_OCI}layer.v1.tar",
    ("docker", "gzip"): f"{_DOCKER}image.rootfs.diff.tar.gzip",
    ("docker", "none"): f"{_DOCKER}image.rootfs.diff.tar",
}


@dataclass(frozen=True, slots=True)
class Blob:
    """Something with a digest: a layer, a config or a manifest."""

    media_type: str
    digest: str
    size: int

    def descriptor(self) -> dict[str, object]:
        """As the OCI image specification writes it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform's image within an index."""

    name: str
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a `dir:` layout; `top` is its index, or its manifest if it has one platform."""

    path: Path
    top: Blob
    platforms: tuple[Platform, ...]

    @property
    def digest(self) -> str:
        """What a tag of this image names."""
        return self.top.digest

    @property
    def blobs(self) -> dict[str, Blob]:
        """Every config and layer by digest."""
        return {blob.digest: blob for p in self.platforms for blob in (p.config, *p.layers)}

    @property
    def manifests(self) -> dict[str, Blob]:
        """Every manifest and index by digest."""
        return {blob.digest: blob for blob in (self.top, *(p.manifest for p in self.platforms))}

    def read(self, digest: str) -> bytes:
        """The bytes behind a digest."""
        if digest == self.digest:
            return (self.path / "manifest.json").read_bytes()
        hexadecimal = digest.partition(":")[2]
        instance = self.path / f"{hexadecimal}.manifest.json"
        return (instance if instance.exists() else self.path / hexadecimal).read_bytes()


def sha256(data: bytes) -> str:
    """The OCI digest of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_image(
    path: Path,
    *,
    seed: int,
    layers: Sequence[int] = (MIB,),
    platforms: Sequence[str] = ("linux/amd64", "linux/arm64"),
    compression: Compression = "gzip",
    image_format: Format = "oci",
) -> Image:
    """Make an image below `path`; `layers` are sizes in bytes, the same arguments give the same digests."""
    path.mkdir(parents=True)
    (path / "version").write_text("Directory Transport Version: 1.1\n")
    made = [
        _platform(path, name, _tars(seed * 1_000_003 + number * 1_009, layers), compression, image_format)
        for number, name in enumerate(platforms)
    ]
    if len(made) == 1:
        top = made[0].manifest
        (path / f"{_hex(top.digest)}.manifest.json").rename(path / "manifest.json")
        return Image(path, top, tuple(made))
    entries = [p.manifest.descriptor() | {"platform": _platform_fields(p.name)} for p in made]
    document = {"schemaVersion": 2, "mediaType": _INDEX[image_format], "manifests": entries}
    data = json.dumps(document).encode()
    (path / "manifest.json").write_bytes(data)
    return Image(path, Blob(_INDEX[image_format], sha256(data), len(data)), tuple(made))


def _platform(path: Path, name: str, tars: Sequence[bytes], compression: Compression, image_format: Format) -> Platform:
    layers = [_put(path, _LAYER[image_format, compression], _compress(tar, compression)) for tar in tars]
    created = "2024-01-01T00:00:00Z"
    config = {
        **_platform_fields(name),
        "created": created,
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
        "history": [{"created": created, "created_by": "regproxy's tests"} for _ in tars],
    }
    config_blob = _put(path, _CONFIG[image_format], json.dumps(config).encode())
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST[image_format],
        "config": config_blob.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    manifest = _put(path, _MANIFEST[image_format], json.dumps(document).encode(), suffix=".manifest.json")
    return Platform(name, manifest, config_blob, tuple(layers))


def _platform_fields(name: str) -> dict[str, str]:
    system, architecture, *variant = name.split("/")
    fields = {"os": system, "architecture": architecture}
    return fields | {"variant": variant[0]} if variant else fields


def _tars(seed: int, sizes: Sequence[int]) -> list[bytes]:
    return [_tar(seed + number, size) for number, size in enumerate(sizes)]


def _tar(seed: int, size: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(f"data/blob-{seed}")
        member.size, member.mode = size, 0o644
        archive.addfile(member, io.BytesIO(_random(seed, size)))
    return out.getvalue()


def _random(seed: int, size: int) -> bytes:
    """Made piece by piece: at once Python makes no more than 256 MiB of it."""
    dice = random.Random(seed)
    return b"".join(dice.randbytes(min(_PIECE, size - at)) for at in range(0, size, _PIECE))


def _compress(tar: bytes, compression: Compression) -> bytes:
    match compression:
        case "gzip":  # level 0: the bytes are random, only the format matters
            return gzip.compress(tar, compresslevel=0, mtime=0)
        case "zstd":
            return subprocess.run(["zstd", "-q", "-1", "-c"], input=tar, stdout=subprocess.PIPE, check=True).stdout
        case "none":
            return tar


def _put(path: Path, media_type: str, data: bytes, suffix: str = "") -> Blob:
    blob = Blob(media_type, sha256(data), len(data))
    (path / f"{_hex(blob.digest)}{suffix}").write_bytes(data)
    return blob


def _hex(digest: str) -> str:
    return digest.partition(":")[2]
