"""Making room: the one place that evicts, one request for room at a time."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from regproxy.model.entry import CacheLimits
from regproxy.model.event import EntryEvicted, Event, StoreFailed
from regproxy.store.choosing import Choice, choose, choose_pinned, choose_small, choose_unused
from regproxy.store.departed import Departed
from regproxy.store.eviction import Account, Shortfall, disk, evict
from regproxy.store.files import Removed
from regproxy.store.index import Index, Tables
from regproxy.store.work import Work
from regproxy.store.writer import Reservation, rounded

Chooser = Callable[[Tables, int], Choice]


class Room:
    """Keeps the account within the limits by evicting; `flush` writes down recent uses first."""

    def __init__(
        self,
        directory: Path,
        index: Index,
        work: Work,
        limits: CacheLimits,
        *,
        clock: Callable[[], float],
        report: Callable[[Event], None],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self.account = Account(limits)
        self.departed = Departed()
        self._directory = directory
        self._index = index
        self._work = work
        self._clock = clock
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

    async def fits(self, size: int) -> bool:
        """Whether so many bytes fit as it is; raises OSError when the file system cannot be asked."""
        status = await self._work.on_disk(lambda: disk(self._directory))
        return self.account.is_free(rounded(size), status)

    async def shrink(self) -> None:
        """Evict down to the limits."""
        async with self._turn:
            await self._make(0)

    async def evict_unused(self, before: float) -> None:
        """Evict what nobody used since `before`, one batch of it."""
        now = self._clock()
        await self._evict(lambda tables, _: choose_unused(tables, before, now), 0, "inactive")

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
            if cause != "damaged":
                self.departed.add(one.digest)

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
        now, limits = self._clock(), self.account.limits
        missing = await self._free(lambda tables, need: choose(tables, need, limits, now), short)
        for last in (choose_small, choose_pinned):
            missing = await self._free(partial(last, now=now), replace(short, bytes=missing))
        if size and missing > 0:
            sentence = f"{size} bytes find no room: what is here belongs to images that were just served"
            raise OSError(errno.ENOSPC, sentence)

    async def _free(self, choose_some: Chooser, short: Shortfall) -> int:
        """Evict until nothing is missing, or nothing may leave; what is still missing."""
        missing = short.bytes
        while missing > 0:
            choice = await self._evict(choose_some, missing, short.cause)
            if not choice.looked:
                break
            missing -= choice.freed
        return missing

    async def _evict(self, choose_some: Chooser, need: int, cause: str) -> Choice:
        def work(tables: Tables) -> tuple[Choice, tuple[Removed, ...]]:
            choice = choose_some(tables, need)
            return choice, evict(tables, self._directory, choice)

        async def whole() -> Choice:
            choice, removed = await self._index.run(work)
            self.left(removed, cause)
            return choice

        return await self._work.unbroken(whole())
