"""What must leave so that something fits: the account of the disk, and the least recently used."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.entry import CacheLimits
from regproxy.model.oci import parse_digest
from regproxy.store.files import Removed, forget, remove
from regproxy.store.index import Tables

BATCH = 256  # files that one piece of work on the index's thread may remove


@dataclass(frozen=True, slots=True)
class Usage:
    """How full the store is, in bytes: `content` and `reserved` by allocated blocks, `limit` from the policy."""

    content: int
    reserved: int
    entries: int
    limit: int


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of the cache directory, in bytes; `free` is what an unprivileged process may still take."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Shortfall:
    """How many bytes must leave, and which limit says so."""

    bytes: int
    cause: str


class Account:
    """The bytes that are taken and promised; changed on the event loop only.

    `unbacked` is the promised part that the file system does not know of yet.
    """

    def __init__(self, limits: CacheLimits) -> None:
        self.limits = limits
        self.content = 0
        self.entries = 0
        self.reserved = 0
        self.unbacked = 0

    def added(self, allocated: int) -> None:
        """Content came into the store."""
        self.content += allocated
        self.entries += 1

    def removed(self, gone: tuple[Removed, ...]) -> None:
        """Content left the store."""
        self.content -= sum(one.allocated for one in gone)
        self.entries -= len(gone)

    def usage(self) -> Usage:
        """A picture of now."""
        return Usage(self.content, self.reserved, self.entries, self.limits.size)

    def shortfall(self, size: int, disk: Disk) -> Shortfall:
        """What must leave so that `size` more bytes fit; raises OSError (ENOSPC) when no eviction can help."""
        over = self.content + self.reserved + size - self.limits.size
        keep = max(self.limits.min_free, int(self.limits.min_free_share * disk.total))
        low = keep + self.unbacked + size - disk.free
        if size and over > self.content:
            sentence = f"{size} bytes do not fit into a cache of {self.limits.size} with {self.reserved} promised"
            raise OSError(errno.ENOSPC, sentence)
        if size and low > self.content:
            sentence = f"the disk has {disk.free} bytes free and `min-free` keeps {keep} of them"
            raise OSError(errno.ENOSPC, sentence)
        return Shortfall(low, "min-free") if low > over else Shortfall(over, "size")


def disk(directory: Path) -> Disk:
    """The file system of a directory, as it is now."""
    status = os.statvfs(directory)
    return Disk(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


def evict(tables: Tables, directory: Path, need: int, before: float) -> tuple[Removed, ...]:
    """Remove the least recently used content until `need` bytes left; only what was last used before `before`.

    At most BATCH files. A reader that has a file open keeps it. The files go first: on a full disk the index can
    only write once there is room, and a row without its file is found out at look-up.
    """
    sql = "SELECT digest, size, allocated FROM content WHERE last_used < ? ORDER BY last_used, rowid LIMIT ?"
    chosen: list[tuple[str, Removed]] = []
    freed = 0
    for digest, size, allocated in tables.each(sql, before, BATCH):
        if freed >= need:
            break
        chosen.append((str(digest), Removed(int(size or 0), int(allocated or 0))))
        freed += int(allocated or 0)
    for text, _ in chosen:
        remove(directory, parse_digest(text))
    with tables.transaction():
        for text, _ in chosen:
            forget(tables, text)
    return tuple(one for _, one in chosen)
