"""Verifying a body while it passes: its last 64 KiB wait for the verdict, also where only a part of it is wanted."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, Self

from regproxy.model.answer import BrokenBody
from regproxy.model.message import ByteRange, Extent, Head
from regproxy.model.oci import Digest

HOLD_BACK = 64 * 1024
EVERYTHING = ByteRange(0, 1 << 62)


class Hashing(Protocol):
    """A hash under way."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""
        ...

    def hexdigest(self) -> str:
        """The hash of what was added."""
        ...

    def copy(self) -> Self:
        """One that goes its own way from here."""
        ...


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a body, `end` bytes that went into `state`; `tail` are the last of them, held back so far."""

    end: int
    tail: bytes
    state: Hashing

    @property
    def start(self) -> int:
        """Where those go on who were given all but the tail."""
        return self.end - len(self.tail)


class Check(Protocol):
    """Decides what of a body may go on."""

    def take(self, chunk: bytes) -> bytes:
        """Add a piece of the body; what may go on now."""
        ...

    async def rest(self) -> bytes:
        """What was held back, at the end of the body; raises BrokenBody where it must not leave."""
        ...


class Verification:
    """Hashes a body from its beginning, or on from a prefix, and lets through what of it lies in the window.

    `mismatched` is called where the whole does not hash to its digest.
    """

    def __init__(
        self,
        digest: Digest,
        mismatched: Callable[[], None],
        window: ByteRange = EVERYTHING,
        prefix: Prefix | None = None,
    ) -> None:
        self._digest = digest
        self._mismatched = mismatched
        self._window = window
        self._hash: Hashing = prefix.state.copy() if prefix is not None else hashlib.new(digest.algorithm)
        self._held = bytearray(prefix.tail if prefix is not None else b"")
        self._at = prefix.start if prefix is not None else 0

    def take(self, chunk: bytes) -> bytes:
        """Add a piece of the body; what may go on now."""
        self._hash.update(chunk)
        self._held += chunk
        return self._release(len(self._held) - HOLD_BACK)

    async def rest(self) -> bytes:
        """What was held back, at the end of the body; raises BrokenBody where it does not hash to its digest."""
        if self._hash.hexdigest() != self._digest.encoded:
            self._mismatched()
            raise BrokenBody(f"the bytes do not hash to {self._digest}")
        if self._window.stop < EVERYTHING.stop and self._at + len(self._held) < self._window.stop:
            raise BrokenBody("the body is shorter than it was said to be")
        return self._release(len(self._held))

    def _release(self, count: int) -> bytes:
        if count <= 0:
            return b""
        first = max(0, self._window.start - self._at)
        last = min(count, max(0, self._window.stop - self._at))
        chunk = bytes(self._held[first:last])
        del self._held[:count]
        self._at += count
        return chunk


class PartVerification:
    """Lets a part of a body pass but for what of it lies in the whole's last 64 KiB: `audit` is asked about that first.

    `audit` gets the part's hash and raises BrokenBody where the whole is not what it should be, or its part another.
    """

    def __init__(self, extent: Extent, size: int, audit: Callable[[Extent, str], Awaitable[None]]) -> None:
        self._extent = extent
        self._audit = audit
        self._free = max(0, size - HOLD_BACK - extent.start)
        self._hash = hashlib.sha256()
        self._held = bytearray()

    def take(self, chunk: bytes) -> bytes:
        """Add a piece of the part; what may go on now."""
        self._hash.update(chunk)
        passed = chunk[: self._free]
        self._free -= len(passed)
        self._held += chunk[len(passed) :]
        if len(self._held) > HOLD_BACK:
            raise BrokenBody("the part is longer than it was said to be")
        return passed

    async def rest(self) -> bytes:
        """The end of the part, once it is known to be right."""
        await self._audit(self._extent, self._hash.hexdigest())
        return bytes(self._held)


class Auditor:
    """The sink of a whole body that nobody gets: hashes it, and one part of it by itself."""

    def __init__(self, digest: Digest, extent: Extent) -> None:
        self._extent = extent
        self._at = 0
        self._whole = hashlib.new(digest.algorithm)
        self._part = hashlib.sha256()

    def head(self, head: Head) -> None:
        """The final head; the transfer's owner reads it there."""

    def data(self, chunk: bytes) -> bool:
        """Hash a piece."""
        self._whole.update(chunk)
        first, last = (max(0, bound - self._at) for bound in (self._extent.start, self._extent.stop))
        self._part.update(chunk[first:last])
        self._at += len(chunk)
        return True

    @property
    def whole(self) -> str:
        """The hash of all."""
        return self._whole.hexdigest()

    @property
    def part(self) -> str:
        """The hash of the part."""
        return self._part.hexdigest()
