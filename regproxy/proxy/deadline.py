"""A deadline that moves with every request and is met by almost none: its timer is left alone while it is early."""

import asyncio
from collections.abc import Callable
from enum import Enum

# A timer is set no further ahead, so that a nearer deadline after a far one, as of every handshake, needs no other.
AHEAD_SECONDS = 10.0
IDLE_SECONDS = 60.0
SEND_SECONDS = 60.0


class Waiting(Enum):
    """What a connection waits for, and so which deadline it is under."""

    REQUEST = "request"
    HEAD = "head"
    HANDSHAKE = "handshake"
    CLIENT = "client"
    NOTHING = "nothing"


class Deadline:
    """One deadline at a time; calls `missed` when it passes."""

    def __init__(self, missed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._missed = missed
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float | None) -> None:
        """Move it to `seconds` from now; None: there is none."""
        if seconds is None:
            self._at = None
            return
        now = self._loop.time()
        at = self._at = now + seconds
        if self._timer is None or self._timer.when() > at:
            self._arm(min(at, now + AHEAD_SECONDS))

    def cancel(self) -> None:
        """There will be none any more."""
        self._at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._fired)

    def _fired(self) -> None:
        self._timer = None
        if self._at is None:
            return
        now = self._loop.time()
        if self._at > now:
            self._arm(min(self._at, now + AHEAD_SECONDS))
        else:
            self._at = None
            self._missed()
