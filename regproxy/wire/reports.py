"""Events on their way from an edge to the core: some at a time, within a moment."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from regproxy.model.ca_event import CertificatesFetched
from regproxy.model.event import (
    BodyBegan,
    ConnectFinished,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    StoreFailed,
    TunnelClosed,
)
from regproxy.model.measure import EdgeMeasured, ProcessMeasured
from regproxy.wire.frames import Happened
from regproxy.wire.link import Link

# An event is at most about 2 KB: hosts, repositories and reasons are bounded where they are parsed.
MAX_EVENTS = 32
MAX_WAITING = 10_000
MOMENT_SECONDS = 0.05
# Where in a frame each kind of event stands; there is no other that an edge tells of.
_PLACES: dict[type[Event], str] = {
    ExchangeFinished: "exchanges",
    ConnectFinished: "connects",
    TunnelClosed: "tunnels",
    HandshakeFailed: "handshakes",
    StoreFailed: "unread",
    CertificatesFetched: "fetches",
    BodyBegan: "bodies",
    ProcessMeasured: "processes",
    EdgeMeasured: "edges",
}


class Reports:
    """Owns the events that the core does not know yet; beyond `MAX_WAITING` the oldest are lost."""

    def __init__(self) -> None:
        self.link: Link | None = None
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._timer: asyncio.TimerHandle | None = None

    def add(self, events: Iterable[Event]) -> None:
        """Tell of these soon."""
        at_once = False
        for event in events:
            self._waiting.append(event)
            # What cannot be read must not be named again to who asks next.
            at_once = at_once or isinstance(event, StoreFailed)
        if self.link is not None and (at_once or len(self._waiting) >= MAX_EVENTS):
            self.flush()
        elif self._timer is None and self._waiting:
            self._later()

    def flush(self) -> None:
        """Tell of all now; while the core is away, later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.link is None:
            if self._waiting:
                self._later()
            return
        channel = self.link.channel
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(MAX_EVENTS, len(self._waiting)))]
            channel.send(_frame(some))
            if not channel.open:
                # Not one of them has left; the next core will hear of them.
                self._waiting.extendleft(reversed(some))
                self._later()
                return

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(MOMENT_SECONDS, self.flush)


def _frame(events: list[Event]) -> Happened:
    sorted_out: dict[str, list[Any]] = {}
    for event in events:
        sorted_out.setdefault(_PLACES[type(event)], []).append(event)
    return Happened(**{place: tuple(some) for place, some in sorted_out.items()})
