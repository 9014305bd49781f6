"""Content as a file and its row; whatever changes both runs on the index's thread, so they never part."""

import errno
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.entry import Content, Durability, content_path
from regproxy.model.mounts import MOUNTINFO, in_memory
from regproxy.model.oci import Digest, parse_digest
from regproxy.store.index import Tables
from regproxy.store.pools import MAX_USES, Total, enter, keep_so, totals
from regproxy.store.uses import Uses

PARTS = "tmp"
UNVERIFIED, VERIFIED, UNSYNCED = 0, 1, 2
_BLOCK = 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Removed:
    """One piece of content that left the store."""

    digest: Digest
    size: int
    allocated: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part file that was settled, and what its bytes hash to."""

    path: Path
    digest: Digest
    status: os.stat_result
    durability: Durability


@dataclass(frozen=True, slots=True)
class Published:
    """Content is visible: `stored` says whether these bytes did it, `replaced` what had to go for them."""

    content: Content
    stored: bool
    replaced: Removed | None = None


def allocated(status: os.stat_result) -> int:
    """What a file takes on the disk, in bytes; never less than its size, where a file system packs or delays."""
    return max(status.st_blocks * 512, status.st_size)


def intact(directory: Path, digest: Digest, size: int) -> bool:
    """Whether the content's file is there, regular and as long as it must be; other trouble raises OSError."""
    try:
        status = os.lstat(directory / content_path(digest))
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def remove(directory: Path, digest: Digest) -> None:
    """Remove the content's file, if there is one; what is no file stays where somebody put it."""
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        (directory / content_path(digest)).unlink()


def hashes_to(directory: Path, digest: Digest) -> bool:
    """Whether the content's file can be read and holds what its name promises; reads all of it."""
    try:
        descriptor = os.open(directory / content_path(digest), _READ)
        try:
            state = hashlib.new(digest.algorithm)
            while block := os.read(descriptor, _BLOCK):
                state.update(block)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return state.hexdigest() == digest.encoded


def create(path: Path, size: int) -> tuple[int, int]:
    """A new part file, its size allocated where there is a disk: a descriptor to write and one to read."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if size:
            _allocate(fd, size)
        return fd, os.open(path, _READ)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise


def _allocate(fd: int, size: int) -> None:
    if _in_memory(os.fstat(fd).st_dev):
        # There, blocks are cleared one by one, before the first byte may come; and they are not scattered anyway.
        return
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        # Some file systems cannot promise blocks; there a full disk shows while writing.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _in_memory(device: int) -> bool:
    mountinfo = Path(MOUNTINFO).read_text(encoding="utf-8", errors="replace")
    return in_memory(os.major(device), os.minor(device), mountinfo)


def settle(fd: int, durability: Durability) -> os.stat_result:
    """Bring the bytes to the disk and make them read-only. Never tried twice: a second fsync may lie."""
    if durability != "none":
        os.fdatasync(fd)
    os.fchmod(fd, 0o444)
    return os.fstat(fd)


def publish(tables: Tables, directory: Path, part: Part, now: float) -> Published:
    """Make a settled part file visible, or drop it when the same content is there already.

    With durability full the name is on the disk before the row is; with none the row says that the bytes may not be.
    """
    digest = part.digest
    row = tables.one("SELECT size, allocated, verified FROM content WHERE digest = ?", str(digest))
    replaced = None
    if row is not None:
        size, taken, verified = (int(value or 0) for value in row)
        if verified and intact(directory, digest, size):
            tables.change("UPDATE content SET last_used = max(last_used, ?) WHERE digest = ?", now, str(digest))
            part.path.unlink()
            return Published(Content(digest, size, taken, now), stored=False)
        replaced = Removed(digest, size, taken)
    content = Content(digest, part.status.st_size, allocated(part.status), now)
    path = directory / content_path(digest)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part.path.rename(path)
    try:
        if part.durability == "full":
            sync_folder(path.parent)
            sync_folder(path.parent.parent)
        with tables.transaction():
            tables.change("DELETE FROM content WHERE digest = ?", str(digest))
            enter(tables, content, UNSYNCED if part.durability == "none" else VERIFIED)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Published(content, stored=True, replaced=replaced)


def sync_folder(path: Path) -> None:
    """Bring the names in a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def synced(directory: Path, digest: Digest) -> bool:
    """Bring content to the disk; whether the disk took it."""
    try:
        descriptor = os.open(directory / content_path(digest), _READ)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def find(tables: Tables, directory: Path, digest: Digest) -> Content | Removed | None:
    """Look content up; Removed when its file was lost or damaged, and row and file are gone now."""
    sql = "SELECT size, allocated, last_used FROM content WHERE digest = ? AND verified > 0"
    row = tables.one(sql, str(digest))
    if row is None:
        return None
    size, taken = int(row[0] or 0), int(row[1] or 0)
    if intact(directory, digest, size):
        return Content(digest, size, taken, float(row[2] or 0))
    return discard(tables, directory, digest)


def discard(tables: Tables, directory: Path, digest: Digest, *, unverified: bool = False) -> Removed | None:
    """Remove content, row and file; `unverified` spares what was published since somebody looked."""
    row = tables.one("SELECT size, allocated, verified FROM content WHERE digest = ?", str(digest))
    if row is None or (unverified and row[2]):
        return None
    remove(directory, digest)
    with tables.transaction():
        forget(tables, str(digest))
    return Removed(digest, int(row[0] or 0), int(row[1] or 0))


def forget(tables: Tables, digest: str) -> None:
    """Delete the row of some content, and what it refers to."""
    tables.change("DELETE FROM content WHERE digest = ?", digest)
    tables.change("DELETE FROM reference WHERE manifest = ?", digest)


def total(tables: Tables) -> Total:
    """Allocated bytes and number of all content."""
    pools = totals(tables)
    return Total(sum(pool.allocated for pool in pools), sum(pool.entries for pool in pools))


def next_unverified(tables: Tables) -> tuple[str, int] | None:
    """The most recently used content that was found without a row, and its size."""
    row = tables.one("SELECT digest, size FROM content WHERE verified = 0 ORDER BY last_used DESC LIMIT 1")
    return None if row is None else (str(row[0]), int(row[1] or 0))


def mark_verified(tables: Tables, digest: Digest) -> None:
    """The file was read, and its name is its digest."""
    tables.change("UPDATE content SET verified = ? WHERE digest = ?", VERIFIED, str(digest))


def unsynced(tables: Tables, limit: int) -> tuple[Digest, ...]:
    """Content that may not be on the disk yet, oldest use first."""
    sql = "SELECT digest FROM content WHERE verified = 2 ORDER BY last_used LIMIT ?"
    return tuple(parse_digest(str(text)) for (text,) in tables.each(sql, limit))


def mark_synced(tables: Tables, asked: tuple[Digest, ...], good: tuple[Digest, ...]) -> None:
    """The disk has these now; the others of those that were asked for are in doubt."""
    taken = set(good)
    with tables.transaction():
        for digest in asked:
            verified = VERIFIED if digest in taken else UNVERIFIED
            tables.change("UPDATE content SET verified = ? WHERE digest = ? AND verified = 2", verified, str(digest))


def doubt_unsynced(tables: Tables) -> None:
    """What may not have reached the disk before an unclean stop is read again before it is served."""
    tables.change("UPDATE content SET verified = 0 WHERE verified = 2")


def mark_used(tables: Tables, uses: Uses) -> None:
    """Write down when content was last used, and for how long it is to be kept."""
    sql = "UPDATE content SET last_used = ?, uses = min(uses + 1, ?) WHERE digest = ? AND last_used < ?"
    with tables.transaction():
        for digest, when in uses.touched.items():
            tables.change(sql, when, MAX_USES, str(digest), when)
        for digest, keep in uses.kept.items():
            keep_so(tables, str(digest), keep)
