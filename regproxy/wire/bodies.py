"""Bodies on their way, as an edge knows them: what the core told last, and those who wait for more."""

import asyncio

from regproxy.model.answer import BrokenBody, Interrupted


class RemoteFill:
    """How far a fill has come, as the core told last; shared by all who follow it over this link."""

    def __init__(self) -> None:
        self.readers = 0
        self.have = 0
        self._whole = False
        self._broken: BrokenBody | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def advanced(self, have: int) -> None:
        """More may be read."""
        self.have = max(self.have, have)
        self._wake()

    def ended(self, have: int, why: str, *, interrupted: bool = False) -> None:
        """It is whole, or broken: `why`; `interrupted` where the rest may be asked for."""
        self.have = max(self.have, have)
        self._whole = not why
        if why:
            self._broken = Interrupted(why) if interrupted else BrokenBody(why)
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def beyond(self, offset: int) -> int:
        """See `model.Progress`."""
        while True:
            if self.have > offset or self._whole:
                return self.have
            if self._broken is not None:
                raise self._broken
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)


class RemoteEnding:
    """How a streamed body ended, once the core has told."""

    def __init__(self) -> None:
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended.add_done_callback(lambda done: done.cancelled() or done.exception())

    def ended(self, why: str) -> None:
        """It ended whole, or broken: `why`."""
        if self._ended.done():
            return
        if why:
            self._ended.set_exception(BrokenBody(why))
        else:
            self._ended.set_result(None)

    async def wait(self) -> None:
        """See `model.Ending`."""
        await asyncio.shield(self._ended)
