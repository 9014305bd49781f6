"""A store on a real directory for the length of a story: a clock that stands still, events in a list."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from regproxy.model.entry import CacheLimits, Content, Durability, content_path
from regproxy.model.event import Event
from regproxy.model.oci import Digest, Kind
from regproxy.store.content import Store

KIB, MIB = 1024, 1024 * 1024


@dataclass
class Watch:
    """The time, moved by hand, and what was reported."""

    now: float = 1_000_000.0
    events: list[Event] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now


def limits(
    size: int = 64 * MIB,
    *,
    inactive: float = 86400.0,
    min_free: int = 0,
    evict: Literal["lru", "s3fifo"] = "s3fifo",
    durability: Durability = "data",
) -> CacheLimits:
    """Limits that do not depend on how full the machine's own disk is."""
    return CacheLimits(size, inactive, min_free, 0.0, evict=evict, durability=durability)


def digest_of(body: bytes, algorithm: str = "sha256") -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, body).hexdigest())


@asynccontextmanager
async def opened(
    directory: Path, allowed: CacheLimits | None = None, watch: Watch | None = None
) -> AsyncIterator[Store]:
    watch = watch or Watch()
    store = await Store.open(directory, allowed or limits(), watch, watch.events.append)
    try:
        yield store
    finally:
        await store.close()


async def put(store: Store, body: bytes, kind: Kind = Kind.BLOB) -> Content:
    """Store a body the way a fetch does."""
    writer = await store.writer(len(body), kind)
    writer.write(body)
    return await writer.commit(digest_of(body))


def read(store: Store, digest: Digest) -> bytes:
    return (store.directory / content_path(digest)).read_bytes()


def tree(directory: Path) -> list[str]:
    """Every file of content and every part file."""
    places = [directory / "blobs", directory / "tmp"]
    return sorted(str(path.relative_to(directory)) for place in places for path in place.rglob("*") if path.is_file())


def on_disk(directory: Path) -> int:
    """Allocated bytes of all content, asked of the file system."""
    return sum(path.lstat().st_blocks * 512 for path in (directory / "blobs").rglob("*") if path.is_file())
