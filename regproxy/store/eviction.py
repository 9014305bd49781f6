"""What must leave so that something fits: the account of the disk, and how what was chosen leaves."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.entry import CacheLimits
from regproxy.model.oci import parse_digest
from regproxy.store.choosing import Choice
from regproxy.store.files import Removed, forget, remove
from regproxy.store.index import Tables
from regproxy.store.pools import MAIN, PROBATION, last_place, remember

# Pools in which a place counts; elsewhere the least recently used stands first.
_QUEUES = (PROBATION, MAIN)


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

    def is_free(self, size: int, disk: Disk) -> bool:
        """Whether `size` more bytes fit without anything leaving."""
        return self._over(size) <= 0 and self._low(size, disk) <= 0

    def shortfall(self, size: int, disk: Disk) -> Shortfall:
        """What must leave so that `size` more bytes fit; raises OSError (ENOSPC) when no eviction can help."""
        over, low = self._over(size), self._low(size, disk)
        if size and over > self.content:
            sentence = f"{size} bytes do not fit into a cache of {self.limits.size} with {self.reserved} promised"
            raise OSError(errno.ENOSPC, sentence)
        if size and low > self.content:
            sentence = f"the disk has {disk.free} bytes free and `min-free` keeps {self._kept(disk)} of them"
            raise OSError(errno.ENOSPC, sentence)
        return Shortfall(low, "min-free") if low > over else Shortfall(over, "size")

    def _over(self, size: int) -> int:
        return self.content + self.reserved + size - self.limits.size

    def _low(self, size: int, disk: Disk) -> int:
        return self._kept(disk) + self.unbacked + size - disk.free

    def _kept(self, disk: Disk) -> int:
        return max(self.limits.min_free, int(self.limits.min_free_share * disk.total))


def disk(directory: Path) -> Disk:
    """The file system of a directory, as it is now."""
    status = os.statvfs(directory)
    return Disk(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


def evict(tables: Tables, directory: Path, choice: Choice) -> tuple[Removed, ...]:
    """Remove what was chosen; a reader that has a file open keeps it.

    The files go first: on a full disk the index can only write once there is room, and a row without its file is
    found out at look-up.
    """
    for row in choice.gone:
        remove(directory, parse_digest(row.digest))
    with tables.transaction():
        settle(tables, choice)
    return tuple(Removed(parse_digest(row.digest), row.size, row.allocated) for row in choice.gone)


def settle(tables: Tables, choice: Choice) -> None:
    """Write a choice down: rows gone, ghosts of those on probation, and the rest further back."""
    for row in choice.gone:
        forget(tables, row.digest)
    remember(tables, [row.digest for row in choice.gone if row.pool == PROBATION])
    places = {pool: last_place(tables, pool) for pool in _QUEUES}
    for kept in choice.kept:
        if kept.pool in _QUEUES:
            places[kept.pool] += 1
        place = kept.until or (places[kept.pool] if kept.pool in _QUEUES else 0)
        tables.change(
            "UPDATE content SET pool = ?, place = ?, uses = ?, last_used = ?, keep = coalesce(?, keep)"
            " WHERE digest = ?",
            *(kept.pool, place, kept.uses, kept.last_used, kept.keep, kept.digest),
        )
