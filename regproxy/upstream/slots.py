"""The requests at once that a registry block allows: beyond, they wait in order, for as long as for a first byte."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from regproxy.model.decision import FailureClass
from regproxy.upstream.transfer import Transfer


@dataclass(frozen=True, slots=True)
class _Waiting:
    transfer: Transfer
    begin: Callable[[], None]
    timer: asyncio.TimerHandle


class Slots:
    """Owns the queue of one block; `taken` counts the slots that are."""

    def __init__(self, queued: int) -> None:
        self._queued = queued
        self._limit = 0
        self.taken = 0
        self._waiting: deque[_Waiting] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(not one.transfer.ended for one in self._waiting)

    def take(self, limit: int, transfer: Transfer, begin: Callable[[], None], seconds: float) -> None:
        """Begin now or when a slot is free; `begin` is followed by one `release`, or the transfer ended unsent."""
        self._limit = limit
        if self.taken < limit:
            self.taken += 1
            begin()
            return
        if len(self._waiting) >= self._queued:
            self._waiting = deque(one for one in self._waiting if not one.transfer.ended)
        if len(self._waiting) >= self._queued:
            transfer.refuse("too many requests are under way")
            return
        late = f"no turn within {seconds:g} s: the policy's limit on concurrent requests is reached"
        timer = asyncio.get_running_loop().call_later(seconds, transfer.refuse, late, FailureClass.TIMEOUT)
        self._waiting.append(_Waiting(transfer, begin, timer))

    def release(self) -> None:
        """One has ended: the next that still waits begins."""
        self.taken -= 1
        while self._waiting and self.taken < self._limit:
            following = self._waiting.popleft()
            following.timer.cancel()
            if not following.transfer.ended:
                self.taken += 1
                following.begin()

    def close(self) -> None:
        """Nobody gets a turn any more."""
        while self._waiting:
            following = self._waiting.popleft()
            following.timer.cancel()
            following.transfer.cancel()
