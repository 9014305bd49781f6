"""How many clients are connected to an edge, in all and from each address, and how many may be."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most connections of one edge: `total` of all clients, `each` of one address."""

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
        return self._connections[client] < self._capacity.each

    def came(self, client: str) -> None:
        """One more."""
        self.total += 1
        self._connections[client] += 1

    def left(self, client: str) -> None:
        """One less."""
        self.total -= 1
        self._connections[client] -= 1
        if not self._connections[client]:
            del self._connections[client]

    @contextmanager
    def counted(self, client: str) -> Iterator[None]:
        """One that is no stream of ours any more, and still a connection."""
        self.came(client)
        try:
            yield
        finally:
            self.left(client)
