"""Bytes on their way into the store: a part file, hashed as it grows, that becomes content or vanishes."""

import hashlib
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from regproxy.model.entry import CacheLimits, Content
from regproxy.model.oci import Digest, Kind
from regproxy.store.eviction import Account, Disk, disk

BLOCK = 4096
GROWTH = 8 * 1024 * 1024  # bytes that a writer of unknown length reserves at a time, at most
MAX_PIECES = 1024  # of one system call (limits.h, IOV_MAX)


class Reservation:
    """Room promised to one writer; `release` gives it back, once."""

    def __init__(self, account: Account, size: int) -> None:
        self.size = 0
        self._account = account
        self._backed = 0
        self._open = True
        self._add(size)

    def backed(self, size: int) -> None:
        """The file system holds `size` bytes of the promise by now."""
        size = min(size, self.size)
        if self._open and size > self._backed:
            self._account.unbacked -= size - self._backed
            self._backed = size

    def grow(self, more: int, disk: Disk) -> None:
        """Promise at least `more` bytes on top, before anything was evicted for them.

        Raises OSError (ENOSPC) when no eviction could make them fit.
        """
        step = max(rounded(more), first_step(self._account.limits))
        self._account.shortfall(step, disk)
        self._add(step)

    def release(self) -> None:
        """Give the room back."""
        if self._open:
            self._open = False
            self._account.reserved -= self.size
            self._account.unbacked -= self.size - self._backed

    def _add(self, size: int) -> None:
        self.size += size
        self._account.reserved += size
        self._account.unbacked += size


class Writer:
    """One part file; belongs to the event loop. Ends with `commit` or `abort`.

    Readers take descriptors with `open_reader` and read below `written`: beyond it the file may hold zeros.
    """

    def __init__(
        self,
        path: Path,
        descriptors: tuple[int, int],
        size: int | None,
        kind: Kind,
        reservation: Reservation,
        *,
        algorithm: str,
        publish: Callable[["Writer", Digest], Awaitable[Content]],
        grown: Callable[[], None],
        closed: Callable[["Writer"], None],
    ) -> None:
        self.path = path
        self.fd, self._reader = descriptors
        self.size = size
        self.kind = kind
        self.written = 0
        self.reservation = reservation
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self._publish = publish
        self._grown = grown
        self._closed = closed
        self._failed = False
        self._committing = False
        self.open = True

    def write(self, *chunks: bytes | memoryview) -> None:
        """Append and hash, many pieces in one system call; raises OSError from the disk, ValueError beyond the size.

        After an error `written` still counts exactly what readers may see; the writer can only be aborted.
        """
        if not self.open or self._committing or self._failed:
            raise ValueError("this writer takes no more bytes")
        try:
            self._make_room(sum(map(len, chunks)))
            while chunks:
                count = os.pwritev(self.fd, chunks[:MAX_PIECES], self.written)
                self.written += count
                chunks = self._hashed(chunks, count)
        except (OSError, ValueError):
            self._failed = True
            raise

    def _hashed(self, chunks: tuple[bytes | memoryview, ...], count: int) -> tuple[bytes | memoryview, ...]:
        """Hash the first `count` bytes, which were written; the rest, which was not."""
        for number, chunk in enumerate(chunks):
            if count < len(chunk):
                rest = memoryview(chunk)
                self._hash.update(rest[:count])
                return (rest[count:], *chunks[number + 1 :])
            self._hash.update(chunk)
            count -= len(chunk)
        return ()

    def _make_room(self, more: int) -> None:
        end = self.written + more
        self.reservation.backed(self.written)
        if self.size is not None:
            if end > self.size:
                raise ValueError(f"{end} bytes came where {self.size} were announced")
            return
        if end > self.reservation.size:
            self.reservation.grow(end - self.reservation.size, disk(self.path.parent))
            self._grown()

    def open_reader(self) -> int:
        """A new read-only descriptor of the bytes; the caller closes it. Read by offset: the position is shared."""
        if not self.open:
            raise ValueError("the writer is closed")
        return os.dup(self._reader)

    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest(self._algorithm, self._hash.hexdigest())

    def hashed(self) -> "hashlib._Hash":
        """A copy of the hash of what was written so far."""
        return self._hash.copy()

    def matches(self, digest: Digest) -> bool:
        """Whether all announced bytes came and hash to `digest`."""
        return self.size in (None, self.written) and not self._failed and self.digest() == digest

    async def commit(self, digest: Digest) -> Content:
        """Make the bytes visible as content, on the disk before anybody sees them.

        Raises ValueError when length or digest differ, OSError when the disk refuses; either way nothing is left.
        Goes on when the caller is cancelled: the bytes are verified.
        """
        if not self.open or self._committing:
            raise ValueError("this writer was already committed or aborted")
        if not self.matches(digest):
            came = f"{self.written} bytes of {self.digest()}"
            self.abort()
            raise ValueError(f"{came} came where {digest} was asked for")
        self._committing = True
        return await self._publish(self, digest)

    def abort(self) -> None:
        """Remove what was written and give the room back; does nothing the second time, or once committing."""
        if self.open and not self._committing:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Let go of descriptors and room; the store calls it when the file has its fate."""
        if self.open:
            self.open = False
            os.close(self.fd)
            os.close(self._reader)
            self.reservation.release()
            self._closed(self)


def first_step(limits: CacheLimits) -> int:
    """How much a writer of unknown length reserves at a time: little in a small cache."""
    return rounded(min(GROWTH, limits.size // 16))


def rounded(size: int) -> int:
    """A size in whole blocks, as most file systems allocate it."""
    return -(-size // BLOCK) * BLOCK
