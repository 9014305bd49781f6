"""Making room: the one place that evicts, one request for room at a time."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from pathlib import Path

from regproxy.model.entry import CacheLimits
from regproxy.model.event import EntryEvicted, Event, StoreFailed
from regproxy.store.eviction import Account, disk, evict
from regproxy.store.files import Removed
from regproxy.store.index import Index
from regproxy.store.work import Work
from regproxy.store.writer import Reservation, rounded

EVERYTHING = 2**62  # bytes


class Room:
    """Keeps the account within the limits by evicting; `flush` writes down recent uses first."""

    def __init__(
        self,
        directory: Path,
        index: Index,
        work: Work,
        limits: CacheLimits,
        *,
        report: Callable[[Event], None],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self.account = Account(limits)
        self._directory = directory
        self._index = index
        self._work = work
        self._report = report
        self._flush = flush
        self._turn = asyncio.Lock()
        self._catching_up: asyncio.Task[None] | None = None

    async def reserve(self, size: int) -> Reservation:
        """Promise room for `size` bytes, evicting for it; raises OSError (ENOSPC) when it cannot fit."""
        size = rounded(size)
        async with self._turn:
            await self._make(size)
            return Reservation(self.account, size)

    async def shrink(self) -> None:
        """Evict down to the limits."""
        async with self._turn:
            await self._make(0)

    async def evict_unused(self, before: float) -> None:
        """Evict what nobody used since `before`, one batch of it."""
        await self._evict(EVERYTHING, before, "inactive")

    def catch_up(self) -> None:
        """Something outgrew its promise: evict for it in the background, one task at a time."""
        account = self.account
        if account.content + account.reserved <= account.limits.size:
            return
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = self._work.begin(self._shrink())

    def left(self, removed: tuple[Removed, ...], cause: str) -> None:
        """Content left the store: account for it and tell."""
        self.account.removed(removed)
        for one in removed:
            self._report(EntryEvicted(one.size, cause))

    async def _shrink(self) -> None:
        try:
            await self.shrink()
        except OSError as error:
            self._report(StoreFailed("evict", str(error)))

    async def _make(self, size: int) -> None:
        # Free space is asked once: what an open reader still holds comes back later and must not cost more entries.
        status = await self._work.on_disk(lambda: disk(self._directory))
        short = self.account.shortfall(size, status)
        if short.bytes <= 0:
            return
        await self._flush()
        missing = short.bytes
        while missing > 0:
            freed = await self._evict(missing, math.inf, short.cause)
            if not freed:
                break
            missing -= freed

    async def _evict(self, need: int, before: float, cause: str) -> int:
        async def work() -> int:
            removed = await self._index.run(lambda tables: evict(tables, self._directory, need, before))
            self.left(removed, cause)
            return sum(one.allocated for one in removed)

        return await self._work.unbroken(work())
