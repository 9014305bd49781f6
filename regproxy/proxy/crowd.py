"""How many clients are connected to an edge, in all and from each address, and how many may be."""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# One machine has as many IPv6 addresses as it likes within a network of this size (RFC 4291 §2.5.1, RFC 6177).
IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most connections of one edge: `total` of all clients, `each` of one address, or of one /64 of IPv6."""

    total: int
    each: int


class Crowd:
    """Owns the counts."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._connections: Counter[str] = Counter()
        self.total = 0

    @property
    def full(self) -> bool:
        """Whether there are as many as there may be."""
        return self.total >= self._capacity.total

    @property
    def capacity(self) -> Capacity:
        """How many there may be."""
        return self._capacity

    def fits(self, client: str) -> bool:
        """Whether one more from this address is not too many."""
        return self._connections[_origin(client)] < self._capacity.each

    def came(self, client: str) -> None:
        """One more."""
        self.total += 1
        self._connections[_origin(client)] += 1

    def left(self, client: str) -> None:
        """One less."""
        self.total -= 1
        origin = _origin(client)
        self._connections[origin] -= 1
        if not self._connections[origin]:
            del self._connections[origin]

    @contextmanager
    def counted(self, client: str) -> Iterator[None]:
        """One that is no stream of ours any more, and still a connection."""
        self.came(client)
        try:
            yield
        finally:
            self.left(client)


def _origin(client: str) -> str:
    """An address, or the network in which one machine may have many; neighbours on a link share no such network."""
    if ":" not in client:
        return client
    try:
        address = ipaddress.IPv6Address(client)
    except ValueError:
        return client
    return client if address.is_link_local else str(ipaddress.IPv6Network((int(address), IPV6_PREFIX), strict=False))
