"""What is counted of upstreams: requests, failures, 429s, pulls left, and whether they are asked at all."""

from collections.abc import Callable
from http import HTTPStatus
from typing import assert_never

from regproxy.model.event import BreakerChanged, QuotaObserved, UpstreamFinished, UpstreamThrottled
from regproxy.telemetry.tally import Tally

_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
Upstreamed = UpstreamFinished | UpstreamThrottled | QuotaObserved | BreakerChanged


class UpstreamMetrics:
    """Owns how many breakers of each registry are open; `clock` gives seconds since the epoch."""

    def __init__(self, tally: Tally, clock: Callable[[], float]) -> None:
        self._tally = tally
        self._clock = clock
        self._open: dict[str, int] = {}

    def show(self, registries: frozenset[str]) -> None:
        """Whether these are asked is known from the start."""
        for registry in registries:
            self._set("upstream_up", registry, value=not self._open.get(registry, 0))

    def observe(self, event: Upstreamed) -> None:
        """Count one event; the account is ours or one that the policy names."""
        registry = event.registry
        match event:
            case UpstreamFinished():
                self._finished(event)
            case UpstreamThrottled(reason=reason):
                self._add("upstream_throttled", registry, reason)
            case QuotaObserved(account=account):
                self._set("ratelimit_limit_pulls", registry, account, value=event.limit)
                self._set("ratelimit_remaining_pulls", registry, account, value=event.remaining)
                self._set("ratelimit_observed_timestamp_seconds", registry, account, value=event.at)
            case BreakerChanged(is_open=is_open):
                self._open[registry] = self._open.get(registry, 0) + (1 if is_open else -1)
                self._set("upstream_up", registry, value=not self._open[registry])
            case _:
                assert_never(event)

    def _finished(self, event: UpstreamFinished) -> None:
        registry, purpose = event.registry, event.purpose
        self._add("upstream_requests", registry, purpose, event.method, str(event.status or "none"))
        self._add("upstream_received_bytes", registry, purpose, amount=event.bytes)
        if event.failure:
            self._add("upstream_failures", registry, event.failure)
        elif event.status:
            self._set("upstream_last_success_timestamp_seconds", registry, value=self._clock())
        if purpose == "token":
            self._add("upstream_token_requests", registry, _token_result(event))

    def _add(self, name: str, *labels: str, amount: float = 1) -> None:
        self._tally.count(name, *labels).value += amount

    def _set(self, name: str, *labels: str, value: float) -> None:
        self._tally.count(name, *labels).value = value


def _token_result(event: UpstreamFinished) -> str:
    if event.failure or event.status not in (HTTPStatus.OK, *_DENIED):
        return "error"
    return "ok" if event.status == HTTPStatus.OK else "denied"
