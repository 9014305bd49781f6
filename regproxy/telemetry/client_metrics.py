"""What is counted of clients: their requests and how the cache answered them, CONNECTs, tunnels, handshakes."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import assert_never

from regproxy.model.event import ConnectFinished, ExchangeFinished, HandshakeFailed, Outcome, TunnelClosed
from regproxy.telemetry.metric import OTHER
from regproxy.telemetry.tally import Count, Spread, Tally

MAX_CELLS = 4096
# Where the bytes of an answer came from.
SOURCES = {
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
    """All series that one sort of exchange counts in: to find them is what counting would cost."""

    requests: Count
    results: Count
    bytes: Count
    decisions: Count | None
    saved: Count | None
    first_byte: Spread
    transfer: Spread
    size: Spread


class ClientMetrics:
    """Owns the cells; the numbers are the tally's."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._cells: dict[tuple[str, str, str, Outcome, str, int], _Cell] = {}

    def renamed(self) -> None:
        """Labels may take other names from now on."""
        self._cells.clear()

    def observe(self, event: ExchangeFinished | ConnectFinished | TunnelClosed | HandshakeFailed) -> None:
        """Count one event."""
        match event:
            case ExchangeFinished():
                self._exchange(event)
            case ConnectFinished(decision=decision):
                self._add("connect_requests", decision)
            case TunnelClosed(sent=sent, received=received):
                self._add("tunnel_bytes", "sent", amount=sent)
                self._add("tunnel_bytes", "received", amount=received)
            case HandshakeFailed(cause=cause):
                self._add("client_tls_handshakes", cause)
            case _:
                assert_never(event)

    def _add(self, name: str, *labels: str, amount: float = 1) -> None:
        self._tally.count(name, *labels).value += amount

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
        if cell.saved is not None:
            cell.saved.value += 1
        cell.first_byte.observe(event.first_byte / 1000, event.trace)
        cell.transfer.observe(event.milliseconds / 1000, event.trace)
        cell.size.observe(event.bytes)
        if event.left:
            self._add("http_client_aborts", labels.kind)
        if labels.stale is not None:
            self._add("cache_stale_served", labels.registry, labels.stale.reason)
            self._tally.spread("cache_stale_served_age_seconds").observe(labels.stale.seconds)

    def _cell(self, event: ExchangeFinished) -> _Cell:
        labels, count, spread = event.labels, self._tally.count, self._tally.spread
        registry, kind, outcome = labels.registry, labels.kind or OTHER, str(labels.outcome)
        return _Cell(
            count("http_requests", registry, kind, event.method, str(event.status or "none")),
            count("cache_requests", registry, kind, outcome),
            count("response_bytes", registry, kind, SOURCES[labels.outcome]),
            count("policy_decisions", labels.tier) if labels.tier else None,
            count("ratelimit_saved_pulls", registry) if _saves_a_pull(event) else None,
            spread("http_first_byte_seconds", kind, outcome),
            spread("http_transfer_seconds", kind),
            spread("http_response_size_bytes", kind),
        )


def _saves_a_pull(event: ExchangeFinished) -> bool:
    """Whether the client alone would have spent a pull on what it got."""
    pulled = event.labels.kind == "manifest" and event.method == "GET" and event.status == HTTPStatus.OK
    return pulled and SOURCES[event.labels.outcome] in ("cache", "fill")
