"""The seed's cache: files of nginx's proxy_cache, each a header, the key, the upstream's head, and the body.

The layout is that of ngx_http_file_cache_header_t, version 5 (nginx 1.11.10 and later), on a 64-bit little-endian
machine; a file lies in `levels=1:2` under the MD5 of its key. The seed's key is `$uri`: it names no registry.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.message import media_type
from regproxy.model.oci import Digest, Kind, Resource, classify

VERSION = 5
MAX_HEAD = 256 * 1024  # bytes before the body; nginx's buffers for it are smaller
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_VERSION, _STARTS = struct.Struct("<Q"), struct.Struct("<HH")
_STARTS_AT, _FIXED = 54, 336
_KEY = b"\nKEY: "
_NAME = re.compile(r"[0-9a-f]{32}\Z")
_HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class SeedFile:
    """One whole answer in the seed's cache that a digest names; `start`: where its body begins, in bytes."""

    path: Path
    repository: str
    kind: Kind
    digest: Digest
    media_type: str
    start: int
    size: int

    def open(self) -> int:
        """A descriptor at the beginning of the body; the caller closes it."""
        descriptor = os.open(self.path, _READ)
        os.lseek(descriptor, self.start, os.SEEK_SET)
        return descriptor


def seed_files(directory: Path) -> Iterator[SeedFile]:
    """What the seed kept by digest; tags, other answers, and what is no file of nginx's are passed over."""
    for first in _HEX:
        for second in (a + b for a in _HEX for b in _HEX):
            folder = directory / first / second
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
            for name in names:
                if _NAME.match(name) and (found := read_seed_file(folder / name)) is not None:
                    yield found


def read_seed_file(path: Path) -> SeedFile | None:
    """What one file says that it holds; None for anything but a whole 200 that a digest names."""
    descriptor = os.open(path, _READ)
    try:
        head, length = os.pread(descriptor, MAX_HEAD, 0), os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if len(head) < _FIXED or _VERSION.unpack_from(head)[0] != VERSION:
        return None
    header, body = _STARTS.unpack_from(head, _STARTS_AT)
    key = head[_FIXED:header]
    if not key.startswith(_KEY) or not header < body <= len(head):
        return None
    resource = classify(key.removeprefix(_KEY).rstrip(b"\n").decode("latin-1"))
    if not isinstance(resource, Resource) or resource.digest is None or not resource.digest.verifiable:
        return None
    if resource.kind not in (Kind.BLOB, Kind.MANIFEST):
        return None
    status, *lines = head[header:body].decode("latin-1").split("\r\n")
    fields = dict(_field(line) for line in lines)
    if status.split(" ")[1:2] != ["200"] or fields.get("content-encoding"):
        return None
    kind = media_type(fields.get("content-type", ""))
    return SeedFile(path, resource.repository, resource.kind, resource.digest, kind, body, length - body)


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
