"""What an edge says has happened, as far as it can have: an edge may be in the hands of a client."""

import math
from collections.abc import Iterator
from dataclasses import replace

from regproxy.model.event import Event, ExchangeFinished
from regproxy.model.measure import EdgeMeasured, ProcessMeasured
from regproxy.model.trace import is_trace
from regproxy.wire.channel import FrameError
from regproxy.wire.frames import Happened


def plausible(frame: Happened, process: str) -> list[Event]:
    """The events, none of which may break a counter or invent a label; raises FrameError.

    Only the core knows which `process` tells them.
    """
    for exchange in frame.exchanges:
        if not _can_be(exchange):
            raise FrameError("an exchange that cannot have been")
    for connect in frame.connects:
        if not 0 <= connect.status <= 599:
            raise FrameError("a CONNECT that cannot have been")
    for tunnel in frame.tunnels:
        if tunnel.sent < 0 or tunnel.received < 0 or not 0 <= tunnel.milliseconds < math.inf:
            raise FrameError("a tunnel that cannot have been")
    for failure in frame.unread:
        if failure.operation != "read":
            raise FrameError("an edge's disk that does more than read")
    measures = [replace(one, process=process) for one in _measures(frame)]
    connections: list[Event] = [*frame.connects, *frame.exchanges, *frame.tunnels, *frame.handshakes]
    return [*frame.unread, *frame.bodies, *connections, *frame.fetches, *measures]


def _can_be(exchange: ExchangeFinished) -> bool:
    stale = exchange.labels.stale
    return (
        0 <= exchange.status <= 599
        and exchange.bytes >= 0
        and 0 <= exchange.milliseconds < math.inf
        and 0 <= exchange.first_byte < math.inf
        and (stale is None or 0 <= stale.seconds < math.inf)
        and is_trace(exchange.trace)
    )


def _measures(frame: Happened) -> Iterator[ProcessMeasured | EdgeMeasured]:
    for one in frame.processes:
        if not all(0 <= number < math.inf for number in (*one.lags, one.cpu, one.memory)):
            raise FrameError("a process that cannot be")
        yield one
    for edge in frame.edges:
        away = edge.turned_away
        counts = edge.in_flight, edge.active, edge.idle, edge.handshakes, edge.waits
        if min(*counts, away.address, away.idle, away.preparing) < 0:
            raise FrameError("an edge that cannot be")
        yield edge
