"""How things are at a scrape, as the parts of the core say."""

from typing import assert_never

from regproxy.model.measure import (
    CaMeasured,
    ClientsMeasured,
    DiskMeasured,
    LogMeasured,
    Measured,
    StoreMeasured,
    UpstreamMeasured,
)
from regproxy.telemetry.tally import Tally


class StateMetrics:
    """Shows it; the numbers are the tally's."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def measured(self, measured: Measured) -> None:
        """Note how things are."""
        match measured:
            case StoreMeasured():
                self._set("cache_bytes", measured.content)
                self._set("cache_reserved_bytes", measured.reserved)
                self._set("cache_objects", measured.objects)
                self._set("cache_limit_bytes", measured.limit)
            case DiskMeasured(oldest=oldest):
                self._set("cache_filesystem_avail_bytes", measured.free)
                self._set("cache_filesystem_size_bytes", measured.total)
                self._set("cache_pinned_bytes", measured.pinned)
                if oldest is not None:
                    self._set("cache_oldest_access_timestamp_seconds", oldest)
            case UpstreamMeasured(busy=busy, slots=slots):
                self._set("cache_fills_in_flight", measured.fills)
                self._tally.count("upstream_slots", "busy").value = busy
                self._tally.count("upstream_slots", "idle").value = slots - busy
                self._set("upstream_queued_requests", measured.queued)
            case CaMeasured(not_after=not_after):
                self._set("ca_not_after_timestamp_seconds", not_after)
            case LogMeasured(dropped=dropped):
                self._set("log_dropped_lines", dropped)
            case ClientsMeasured(busiest=busiest):
                self._set("busiest_client_share", busiest)
            case _:
                assert_never(measured)

    def _set(self, name: str, value: float) -> None:
        self._tally.count(name).value = value
