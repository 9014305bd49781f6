"""Pieces of a body that come in one turn of the loop, handed on together: what is done for each is done less often."""

import asyncio
from collections.abc import Callable

BATCH_BYTES = 512 * 1024
# Of an upstream that sends byte by byte, an object for each would be the larger part.
MAX_PIECES = 256


class Batch:
    """Owns the pieces that came and were not handed on; none waits longer than this turn of the loop."""

    def __init__(self, hand_on: Callable[[list[bytes]], None]) -> None:
        self._hand_on = hand_on
        self._pieces: list[bytes] = []
        self._size = 0
        self._flushing: asyncio.Handle | None = None

    def add(self, piece: bytes) -> None:
        """One more piece; a full batch is handed on at once."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= BATCH_BYTES or len(self._pieces) >= MAX_PIECES:
            self.flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Hand on what is here, if anything."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            self._hand_on(pieces)
