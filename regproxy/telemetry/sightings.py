"""The last things that happened to each client, kept for the client itself to ask about."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from regproxy.model.event import ConnectFinished, Decided, Event, ExchangeFinished, HandshakeFailed
from regproxy.model.sighting import Deed, Sighting

MAX_CLIENTS = 1024
MAX_SIGHTINGS = 24  # of one client
_DECIDED: dict[Decided, Deed] = {
    "intercept": "intercepted",
    "tunnel": "tunnelled",
    "refuse": "refused",
    "failed": "failed",
}


@dataclass(slots=True)
class _Seen:
    """What happened so often, and the last time of it: when, and with which detail."""

    count: int
    at: float
    detail: str


class Sightings:
    """Owns them, in memory; beyond the bounds the oldest client, or the oldest thing of a client, is forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the epoch."""
        self._clock = clock
        self._clients: OrderedDict[str, OrderedDict[tuple[str, Deed], _Seen]] = OrderedDict()

    def observe(self, event: Event) -> None:
        """Take note of one event, if it is about a client."""
        match event:
            case ConnectFinished(client=client, authority=authority, decision=decision, reason=reason):
                self._note(client, authority, _DECIDED[decision], reason)
            case HandshakeFailed(client=client, authority=authority, cause=cause):
                self._note(client, authority, "untrusted" if cause == "unknown_ca" else "broken", cause)
            case ExchangeFinished(client=client, authority=authority, status=status):
                self._note(client, authority, "answered", str(status))
            case _:
                pass

    def _note(self, client: str, authority: str, deed: Deed, detail: str) -> None:
        seen = self._clients.get(client)
        if seen is None:
            seen = self._clients[client] = OrderedDict()
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(client)
        key, now = (authority, deed), self._clock()
        known = seen.get(key)
        if known is None:
            seen[key] = _Seen(1, now, detail)
            if len(seen) > MAX_SIGHTINGS:
                seen.popitem(last=False)
        else:
            seen.move_to_end(key)
            known.count, known.at, known.detail = known.count + 1, now, detail

    def of(self, client: str) -> tuple[Sighting, ...]:
        """What happened to a client, the last first."""
        found = reversed(self._clients.get(client, {}).items())
        return tuple(Sighting(where, deed, seen.count, seen.at, seen.detail) for (where, deed), seen in found)
