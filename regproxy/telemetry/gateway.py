"""Notices that nearly all clients seem to be one, where the policy tells them apart by address.

A userland proxy, a masquerading gateway or a balancer of connections shows its own address for all behind it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from regproxy.model.event import Event, ExchangeFinished

REQUESTS = 1000
SHARE = 0.95


@dataclass(slots=True)
class Gateway:
    """Counts requests by the client's address, a thousand at a time; `share` is the busiest one's of the last thousand.

    `looks_at_addresses`: whether the policy does. `warn` hears of each address once.
    """

    looks_at_addresses: Callable[[], bool]
    warn: Callable[[str], None]
    share: float = 0.0
    _clients: Counter[str] = field(default_factory=Counter)
    _counted: int = 0
    _told: str = ""

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        if not isinstance(event, ExchangeFinished):
            return
        self._clients[event.client] += 1
        self._counted += 1
        if self._counted == REQUESTS:
            ((client, requests),) = self._clients.most_common(1)
            self.share, self._counted = requests / REQUESTS, 0
            self._clients.clear()
            self._look(client)

    def _look(self, client: str) -> None:
        if self.share > SHARE and client != self._told and self.looks_at_addresses():
            self._told = client
            self.warn(
                f"{self.share:.0%} of the last {REQUESTS} requests came from {client}, and the policy tells clients "
                "apart by address: if that is a gateway or a balancer, all behind it get the same; see "
                "--proxy-protocol-from, or give clients users"
            )
