"""Which event counts where in the catalogue; nobody else counts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from regproxy.model.event import (
    BreakerChanged,
    CaNoticed,
    CaReloaded,
    CertificatesFetched,
    ConnectFinished,
    DigestMismatched,
    EntryEvicted,
    EntryStored,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    Outcome,
    PolicyReloaded,
    PolicyStarted,
    QuotaObserved,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
    UpstreamThrottled,
)
from regproxy.model.measure import CaMeasured, Measured, StoreMeasured
from regproxy.telemetry import labels as by
from regproxy.telemetry.catalogue import CATALOGUE
from regproxy.telemetry.metric import OTHER
from regproxy.telemetry.policy_metrics import PolicyMetrics
from regproxy.telemetry.tally import Count, Sampled, Spread, Tally
from regproxy.telemetry.upstream_metrics import UpstreamMetrics

MAX_CELLS = 4096
_SOURCES = {
    Outcome.HIT: "cache",
    Outcome.REVALIDATED: "cache",
    Outcome.STALE: "cache",
    Outcome.SWR: "cache",
    Outcome.NEGATIVE: "cache",
    Outcome.COLLAPSED: "fill",
    Outcome.MISS: "upstream",
    Outcome.EXPIRED: "upstream",
    Outcome.PASS: "upstream",
    Outcome.LOCAL: "proxy",
    Outcome.DENIED: "proxy",
    Outcome.ERROR: "proxy",
}


@dataclass(frozen=True, slots=True)
class _Cell:
    """All series that one kind of exchange counts in: finding them is what counting would cost."""

    requests: Count
    results: Count
    bytes: Count
    decisions: Count | None
    transfer: Spread
    size: Spread


class Metrics:
    """Counts events; `registries` and `tiers` are names of the policy. `clock` gives seconds since the epoch."""

    def __init__(
        self, registries: Iterable[str], tiers: Iterable[str], versions: tuple[str, ...], clock: Callable[[], float]
    ) -> None:
        self._tally = Tally(CATALOGUE)
        self._cells: dict[tuple[str, str, str, Outcome, str, int], _Cell] = {}
        self._upstream = UpstreamMetrics(self._tally, clock)
        self._policy = PolicyMetrics(self._tally)
        self._tally.count("build_info", *versions).value = 1
        self._set("ca_last_reload_successful", 1)
        self._name(registries, tiers)

    def _name(self, registries: Iterable[str], tiers: Iterable[str]) -> None:
        registries = tuple(registries)
        self._tally.name(by.REGISTRY, registries)
        self._tally.name(by.TIER, tiers)
        self._cells.clear()
        self._upstream.show(frozenset((OTHER, *registries)))

    def sampled(self) -> tuple[Sampled, ...]:
        """Every series as it stands."""
        return self._tally.sampled()

    def measured(self, measured: Measured) -> None:
        """Note how things are."""
        match measured:
            case StoreMeasured():
                self._set("cache_bytes", measured.content)
                self._set("cache_reserved_bytes", measured.reserved)
                self._set("cache_objects", measured.objects)
                self._set("cache_limit_bytes", measured.limit)
            case CaMeasured(not_after=not_after):
                self._set("ca_not_after_timestamp_seconds", not_after)
            case _:
                assert_never(measured)

    def scraped(self, seconds: float) -> None:
        """Note how long a scrape took."""
        self._set("scrape_seconds", seconds)

    def observe(self, event: Event) -> None:
        """Count one event."""
        match event:
            case ExchangeFinished():
                self._exchange(event)
            case UpstreamFinished() | UpstreamThrottled() | QuotaObserved() | BreakerChanged():
                self._upstream.observe(event)
            case ConnectFinished(decision=decision):
                self._add("connect_requests", decision)
            case TunnelClosed(sent=sent, received=received):
                self._add("tunnel_bytes", "sent", amount=sent)
                self._add("tunnel_bytes", "received", amount=received)
            case HandshakeFailed(cause=cause):
                self._add("client_tls_handshakes", cause)
            case EntryStored() | EntryEvicted() | DigestMismatched() | StoreFailed():
                self._store(event)
            case PolicyStarted():
                self._policy.started(event)
            case PolicyReloaded(registries=registries, tiers=tiers):
                self._name(registries, tiers)
                self._policy.reloaded(event)
            case CaReloaded(result=result):
                self._add("ca_reloads", result)
                self._set("ca_last_reload_successful", result != "failure")
            case CertificatesFetched():
                self._add("ca_fetches")
            case CaNoticed():
                pass
            case _:
                assert_never(event)

    def _add(self, name: str, *labels: str, amount: float = 1) -> None:
        self._tally.count(name, *labels).value += amount

    def _set(self, name: str, value: float) -> None:
        self._tally.count(name).value = value

    def _store(self, event: EntryStored | EntryEvicted | DigestMismatched | StoreFailed) -> None:
        match event:
            case EntryStored(kind=kind, bytes=size):
                self._add("cache_filled_bytes", kind, amount=size)
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

    def _exchange(self, event: ExchangeFinished) -> None:
        labels = event.labels
        key = labels.registry, labels.kind, labels.tier, labels.outcome, event.method, event.status
        cell = self._cells.get(key)
        if cell is None:
            if len(self._cells) >= MAX_CELLS:
                self._cells.clear()
            cell = self._cells[key] = self._cell(event)
        cell.requests.value += 1
        cell.results.value += 1
        cell.bytes.value += event.bytes
        if cell.decisions is not None:
            cell.decisions.value += 1
        cell.transfer.observe(event.milliseconds / 1000)
        cell.size.observe(event.bytes)

    def _cell(self, event: ExchangeFinished) -> _Cell:
        labels, count = event.labels, self._tally.count
        registry, kind = labels.registry, labels.kind or OTHER
        return _Cell(
            count("http_requests", registry, kind, event.method, str(event.status or "none")),
            count("cache_requests", registry, kind, str(labels.outcome)),
            count("response_bytes", registry, kind, _SOURCES[labels.outcome]),
            count("policy_decisions", labels.tier) if labels.tier else None,
            self._tally.spread("http_transfer_seconds", kind),
            self._tally.spread("http_response_size_bytes", kind),
        )
