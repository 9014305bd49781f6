"""The catalogue of metrics, and which event counts where; labels come from closed sets only."""

from collections.abc import Callable, Iterable
from typing import assert_never, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from regproxy.model.event import (
    BreakerChanged,
    CaNoticed,
    CaReloaded,
    ConnectFinished,
    Decided,
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
from regproxy.telemetry.authority import CaMetrics
from regproxy.telemetry.limits import LimitMetrics

KINDS = ("manifest", "blob", "tags", "referrers", "catalog", "upload", "other", "ping", "token", "")
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
OTHER = "other"
MAX_REGISTRIES = 1000  # names that the `registry` label may take over all reloads
RELOADS = ("success", "unchanged", "failure")


class Metrics:
    """Counts events into one registry; `registries` bounds the `registry` label, and those of reloads extend it."""

    def __init__(self, registries: Iterable[str], version: str) -> None:
        self.registry = CollectorRegistry()
        self._names: frozenset[str] = frozenset()
        self._exchanges: dict[tuple[str, str, Outcome, int], tuple[Counter, Counter, Counter, Histogram]] = {}
        self._requests = self._counter("requests", "Requests answered on intercepted connections", "registry", "status")
        self._results = self._counter("cache_results", "Answers by cache outcome", "registry", "kind", "outcome")
        self._bytes = self._counter("response_bytes", "Bytes of bodies sent to clients", "registry", "outcome")
        self._duration = Histogram(
            "regproxy_request_duration_seconds",
            "Time from a request's head to the end of its answer",
            ["kind"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._upstream = self._counter(
            "upstream_requests", "Requests sent to upstreams", "registry", "purpose", "method", "status"
        )
        self._upstream_bytes = self._counter("upstream_received_bytes", "Bytes of bodies from upstreams", "registry")
        self._failures = self._counter(
            "upstream_failures", "Upstream requests without an answer", "registry", "failure"
        )
        self._limits = LimitMetrics(self.registry)
        self._connects = self._counter("connects", "CONNECT requests by decision", "decision")
        self._decided = {decision: self._connects.labels(decision) for decision in get_args(Decided)}
        self._tunnel_bytes = self._counter("tunnel_bytes", "Bytes through blind tunnels", "direction")
        self._handshakes = self._counter("client_tls_handshake_failures", "Handshakes that clients broke off", "cause")
        self._stored = self._counter("cache_stored_bytes", "Bytes of verified content stored", "kind")
        self._evicted = self._counter("cache_evicted_bytes", "Bytes of content evicted", "cause")
        self._mismatches = self._counter("digest_mismatches", "Bodies that did not hash to their digest", "kind")
        self._store_failures = self._counter("store_failures", "Times the disk refused", "operation")
        build = Gauge("regproxy_build_info", "The running version", ["version"], registry=self.registry)
        build.labels(version).set(1)
        self._policy = _PolicyMetrics(self.registry)
        self._ca = CaMetrics(self.registry)
        self._name((OTHER, *registries))

    def _name(self, registries: Iterable[str]) -> None:
        """Let names into the `registry` label, their series there from now on; beyond the bound they are `other`."""
        new = sorted(frozenset(registries) - self._names)[: MAX_REGISTRIES - len(self._names)]
        self._names |= frozenset(new)
        for name in new:
            self._limits.name(name)
            for kind in ("manifest", "blob"):
                for outcome in Outcome:
                    self._results.labels(name, kind, str(outcome))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"regproxy_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A fact of state, read at each scrape."""
        Gauge(f"regproxy_{name}", text, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """The metrics in the text format."""
        return generate_latest(self.registry)

    def _known(self, registry: str) -> str:
        return registry if registry in self._names else OTHER

    def observe(self, event: Event) -> None:
        """Count one event."""
        match event:
            case ExchangeFinished():
                self._exchange(event)
            case UpstreamFinished(registry=registry, purpose=purpose, method=method, status=status):
                name = self._known(registry)
                self._upstream.labels(name, purpose, _method(method), str(status)).inc()
                self._upstream_bytes.labels(name).inc(event.bytes)
                if event.failure:
                    self._failures.labels(name, event.failure).inc()
            case UpstreamThrottled() | QuotaObserved() | BreakerChanged():
                self._limits.observe(self._known(event.registry), event)
            case ConnectFinished(decision=decision):
                self._decided[decision].inc()
            case TunnelClosed(sent=sent, received=received):
                self._tunnel_bytes.labels("sent").inc(sent)
                self._tunnel_bytes.labels("received").inc(received)
            case HandshakeFailed(cause=cause):
                self._handshakes.labels(cause).inc()
            case EntryStored() | EntryEvicted() | DigestMismatched() | StoreFailed():
                self._store(event)
            case PolicyStarted():
                self._policy.started(event)
            case PolicyReloaded(registries=registries):
                self._name(registries)
                self._policy.reloaded(event)
            case CaReloaded() | CaNoticed():
                self._ca.observe(event)
            case _:
                assert_never(event)

    def _store(self, event: EntryStored | EntryEvicted | DigestMismatched | StoreFailed) -> None:
        match event:
            case EntryStored(kind=kind, bytes=size):
                self._stored.labels(kind).inc(size)
            case EntryEvicted(cause=cause, bytes=size):
                self._evicted.labels(cause).inc(size)
            case DigestMismatched(kind=kind):
                self._mismatches.labels(kind if kind in KINDS else OTHER).inc()
            case StoreFailed(operation=operation):
                self._store_failures.labels(operation).inc()
            case _:
                assert_never(event)

    def _exchange(self, event: ExchangeFinished) -> None:
        labels = event.labels
        name = self._known(labels.registry)
        kind = labels.kind if labels.kind in KINDS else OTHER
        # Finding children by their labels is what counting costs; the sets that these come from are closed.
        key = name, kind, labels.outcome, event.status
        found = self._exchanges.get(key)
        if found is None:
            outcome = str(labels.outcome)
            found = self._exchanges[key] = (
                self._requests.labels(name, str(event.status)),
                self._results.labels(name, kind, outcome),
                self._bytes.labels(name, outcome),
                self._duration.labels(kind),
            )
        requests, results, sent, duration = found
        requests.inc()
        results.inc()
        sent.inc(event.bytes)
        duration.observe(event.milliseconds / 1000)


class _PolicyMetrics:
    """Which policy runs, and how the reloads went."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"regproxy_policy_{name}", text, labels, registry=registry)

        self._info = gauge("info", "The policy that runs, by the SHA-256 of its texts", "checksum")
        self._resumed = gauge("resumed", "1 while the last good policy runs because the policy file did not load")
        self._successful = gauge("last_reload_successful", "Whether what the policy file says is what runs")
        self._success_at = gauge("last_reload_success_timestamp_seconds", "When the policy file was last loaded")
        self._reloads = Counter("regproxy_policy_reloads", "Reloads of the policy", ["result"], registry=registry)
        self._duration = Histogram(
            "regproxy_policy_reload_duration_seconds", "Time that a reload took", buckets=SECONDS, registry=registry
        )
        for result in RELOADS:
            self._reloads.labels(result)

    def started(self, event: PolicyStarted) -> None:
        self._info.labels(event.checksum).set(1)
        self._resumed.set(int(event.resumed))
        self._successful.set(int(not event.resumed))
        if not event.resumed:
            self._success_at.set(event.at)

    def reloaded(self, event: PolicyReloaded) -> None:
        self._reloads.labels(event.result).inc()
        self._duration.observe(event.milliseconds / 1000)
        self._successful.set(int(event.result != "failure"))
        if event.result != "failure":
            self._resumed.set(0)
            self._success_at.set(event.at)
            self._info.clear()
            self._info.labels(event.checksum).set(1)


def _method(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else OTHER
