"""Content as a file and its row; whatever changes both runs on the index's thread, so they never part."""

import errno
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.entry import Content, content_path
from regproxy.model.oci import Digest
from regproxy.store.index import Tables

PARTS = "tmp"
_BLOCK = 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Removed:
    """One piece of content that left the store."""

    size: int
    allocated: int


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
    """A new part file with `size` bytes allocated: a descriptor to write and one to read. Raises OSError."""
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
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        # Some file systems cannot promise blocks; there a full disk shows while writing.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def settle(fd: int) -> os.stat_result:
    """Bring the bytes to the disk and make them read-only. Never tried twice: a second fsync may lie."""
    os.fdatasync(fd)
    os.fchmod(fd, 0o444)
    return os.fstat(fd)


def publish(
    tables: Tables, directory: Path, part: Path, digest: Digest, *, status: os.stat_result, now: float
) -> Published:
    """Make a settled part file visible, or drop it when the same content is there already."""
    row = tables.one("SELECT size, allocated, verified FROM content WHERE digest = ?", str(digest))
    replaced = None
    if row is not None:
        size, taken, verified = (int(value or 0) for value in row)
        if verified and intact(directory, digest, size):
            tables.change("UPDATE content SET last_used = max(last_used, ?) WHERE digest = ?", now, str(digest))
            part.unlink()
            return Published(Content(digest, size, taken, now), stored=False)
        replaced = Removed(size, taken)
    content = Content(digest, status.st_size, allocated(status), now)
    path = directory / content_path(digest)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part.rename(path)
    try:
        tables.change("INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, 1)", str(digest), *_columns(content))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Published(content, stored=True, replaced=replaced)


def _columns(content: Content) -> tuple[int, int, float]:
    return content.size, content.allocated, content.last_used


def find(tables: Tables, directory: Path, digest: Digest) -> Content | Removed | None:
    """Look content up; Removed when its file was lost or damaged, and row and file are gone now."""
    sql = "SELECT size, allocated, last_used FROM content WHERE digest = ? AND verified = 1"
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
    return Removed(int(row[0] or 0), int(row[1] or 0))


def forget(tables: Tables, digest: str) -> None:
    """Delete the row of some content, and what it refers to."""
    tables.change("DELETE FROM content WHERE digest = ?", digest)
    tables.change("DELETE FROM reference WHERE manifest = ?", digest)


def totals(tables: Tables) -> tuple[int, int]:
    """Allocated bytes and number of all content."""
    row = tables.one("SELECT coalesce(sum(allocated), 0), count(*) FROM content")
    return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)


def next_unverified(tables: Tables) -> tuple[str, int] | None:
    """The most recently used content that was found without a row, and its size."""
    row = tables.one("SELECT digest, size FROM content WHERE verified = 0 ORDER BY last_used DESC LIMIT 1")
    return None if row is None else (str(row[0]), int(row[1] or 0))


def mark_verified(tables: Tables, digest: Digest) -> None:
    """The file was read, and its name is its digest."""
    tables.change("UPDATE content SET verified = 1 WHERE digest = ?", str(digest))


def mark_used(tables: Tables, touched: dict[Digest, float]) -> None:
    """Write down when content was last used."""
    sql = "UPDATE content SET last_used = ? WHERE digest = ? AND last_used < ?"
    with tables.transaction():
        for digest, when in touched.items():
            tables.change(sql, when, str(digest), when)
