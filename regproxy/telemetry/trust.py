"""Which clients are ready for a change of the CA: who fetched what to trust, and who accepts or refuses what signs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from regproxy.model.ca_event import CaReloaded, CertificatesFetched
from regproxy.model.event import (
    ConnectFinished,
    Event,
    ExchangeFinished,
    HandshakeFailed,
)

MAX_CLIENTS = 10_000
MAX_NAMED = 20


@dataclass(slots=True)
class TrustTally:
    """Counts clients, by address, since the CA last changed; beyond `MAX_CLIENTS` no new one is counted.

    A client that accepts has made a handshake with the CA in force and asked something. One may have several clients
    behind it: who refused last is counted as refusing until it is accepted again.
    """

    clock: Callable[[], float]
    since: float = field(init=False)
    _fetched: set[str] = field(default_factory=set)
    _connected: set[str] = field(default_factory=set)
    _accepting: set[str] = field(default_factory=set)
    _refusing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.since = self.clock()

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        match event:
            case CaReloaded(result="success"):
                self.since = self.clock()
                for clients in (self._fetched, self._connected, self._accepting, self._refusing):
                    clients.clear()
            case CertificatesFetched(client=client):
                _add(self._fetched, client)
            case ConnectFinished(client=client, decision="intercept"):
                _add(self._connected, client)
            case ExchangeFinished(client=client) if client in self._connected:
                # An exchange on a connection that is older than the CA says nothing of it.
                self._connected.discard(client)
                self._refusing.discard(client)
                _add(self._accepting, client)
            case HandshakeFailed(client=client, cause="unknown_ca"):
                self._connected.discard(client)
                self._accepting.discard(client)
                _add(self._refusing, client)
            case _:
                pass

    def counts(self, fingerprint: str) -> dict[str, object]:
        """The counts for the CA in force, as JSON; `unfetched` are clients that pull and did not fetch `/ca.crt`.

        The first few of those that matter are named.
        """
        unfetched = self._accepting - self._fetched
        return {
            "fingerprint": fingerprint,
            "since": self.since,
            "fetched": len(self._fetched),
            "accepting": len(self._accepting),
            "refusing": len(self._refusing),
            "refusing_named": sorted(self._refusing)[:MAX_NAMED],
            "unfetched": len(unfetched),
            "unfetched_named": sorted(unfetched)[:MAX_NAMED],
        }


def _add(clients: set[str], client: str) -> None:
    if len(clients) < MAX_CLIENTS:
        clients.add(client)
