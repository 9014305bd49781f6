"""Verifying a body while it passes: its last 64 KiB wait for the verdict, also where only a part of it is wanted."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from regproxy.model.answer import BrokenBody
from regproxy.model.message import ByteRange
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

    def rest(self) -> bytes:
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
