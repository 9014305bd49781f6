"""What is counted of the store: content that came and left, what was damaged, what the disk refused."""

from typing import assert_never

from regproxy.model.event import DigestMismatched, EntryEvicted, EntryStored, StoreFailed
from regproxy.telemetry.metric import OTHER
from regproxy.telemetry.tally import Tally


class StoreMetrics:
    """Counts it; the numbers are the tally's."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def observe(self, event: EntryStored | EntryEvicted | DigestMismatched | StoreFailed) -> None:
        """Count one event."""
        match event:
            case EntryStored(kind=kind, bytes=size, again=again):
                self._add("cache_filled_bytes", kind, amount=size)
                self._add("cache_refetched_bytes", amount=size if again else 0)
            case EntryEvicted(cause=cause, bytes=size):
                self._add("cache_evicted_bytes", cause, amount=size)
                self._add("cache_evicted_objects", cause)
                if cause == "damaged":
                    self._add("cache_integrity_failures", OTHER, "disk")
            case DigestMismatched(kind=kind):
                self._add("cache_integrity_failures", kind, "upstream")
            case StoreFailed(operation=operation):
                self._add("store_failures", operation)
            case _:
                assert_never(event)

    def _add(self, name: str, *labels: str, amount: float = 1) -> None:
        self._tally.count(name, *labels).value += amount
