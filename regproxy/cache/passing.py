"""What is passed by for a while, because storing or reading it failed a moment ago; bounded, in memory only."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_PASSED_BY = 128


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    until: float
    needed: Callable[[], bool]


class PassedBy(Generic[K, V]):
    """Keys that are passed by, each with what is known of it; beyond the bound the oldest is forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[K, _Entry[V]] = {}

    def put(self, key: K, value: V, seconds: float, needed: Callable[[], bool] = lambda: False) -> None:
        """Pass it by for so long, and longer while it is `needed`."""
        self._entries = {each: entry for each, entry in self._entries.items() if self._counts(entry)}
        self._entries.pop(key, None)
        while len(self._entries) >= MAX_PASSED_BY:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = _Entry(value, self._clock() + seconds, needed)

    def get(self, key: K) -> V | None:
        """What is known of the key; None when it is not passed by."""
        entry = self._entries.get(key)
        return entry.value if entry is not None and self._counts(entry) else None

    def drop(self, key: K) -> None:
        """Do not pass it by any more."""
        self._entries.pop(key, None)

    def _counts(self, entry: _Entry[V]) -> bool:
        return self._clock() < entry.until or entry.needed()
