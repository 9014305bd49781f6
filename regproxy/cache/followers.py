"""The readers of a body that grows: woken as it does, counted as they come and go."""

import asyncio
from collections.abc import Callable

from regproxy.model.answer import BrokenBody

# To be woken costs a reader as much as a batch or two of what it then sends: it hears of four at a time.
WAKE_BYTES = 1024 * 1024
WAKE_SECONDS = 0.02


class Followers:
    """How far a body may be read, and who waits for more of it; `deserted` is called when the last reader has left."""

    def __init__(self, deserted: Callable[[], None]) -> None:
        self.count = 0
        self.whole = False
        self.broken: BrokenBody | None = None
        self._deserted = deserted
        self._have = 0
        self._woken_at = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def have(self) -> int:
        """How many bytes may be read now."""
        return self._have

    # For the one who writes.

    def grew(self, have: int) -> None:
        """So many bytes may be read now; readers are woken for a batch of them, or after a moment."""
        self._have = have
        if have - self._woken_at >= WAKE_BYTES:
            self._wake()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAKE_SECONDS, self._wake)

    def complete(self, size: int) -> None:
        """The body is whole and verified."""
        self._have = size
        self.whole = True
        self._wake()

    def fail(self, error: BrokenBody) -> None:
        """Nothing more will come; harmless once the body is whole or broken."""
        if not self.whole and self.broken is None:
            self.broken = error
        self._wake()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._woken_at = self._have
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # For readers.

    def join(self) -> None:
        """One more reader; it calls `leave` exactly once."""
        self.count += 1

    def leave(self) -> None:
        """A reader is gone."""
        self.count -= 1
        if not self.count:
            self._deserted()

    async def beyond(self, offset: int) -> int:
        """How many bytes may be sent, once there are more than `offset`; `offset` or less when the body ended there."""
        while self._have <= offset and not self.whole:
            if self.broken is not None:
                raise self.broken
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._have
