"""What is counted of upstreams: requests, failures, 429s, and whether they are asked at all."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import assert_never

from regproxy.model.credential_event import CredentialEvent, CredentialRejected, HelperFailed
from regproxy.model.event import BreakerChanged, UpstreamFinished, UpstreamThrottled
from regproxy.model.pull_event import UpstreamRetried
from regproxy.telemetry.lately import Lately
from regproxy.telemetry.tally import Tally

_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
Upstreamed = UpstreamFinished | UpstreamThrottled | UpstreamRetried | BreakerChanged | CredentialEvent


class UpstreamMetrics:
    """Owns how many breakers of each registry are open, and how it answered lately.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, tally: Tally, clock: Callable[[], float]) -> None:
        self._tally = tally
        self._clock = clock
        self._open: dict[str, int] = {}
        self.lately = Lately(clock)

    def show(self, registries: Iterable[str]) -> None:
        """Whether these are asked is known from the start."""
        for registry in registries:
            self._set("upstream_up", registry, value=not self._open.get(registry, 0))

    def observe(self, event: Upstreamed) -> None:
        """Count one event."""
        registry = event.registry
        match event:
            case UpstreamFinished():
                self._finished(event)
            case UpstreamThrottled(reason=reason):
                self._add("upstream_throttled", registry, reason)
            case UpstreamRetried(failure=failure):
                self._add("upstream_retries", registry, failure)
            case CredentialRejected():
                self._add("credential_rejected", registry)
            case HelperFailed():
                self._add("credential_helper_failures", registry)
            case BreakerChanged(is_open=is_open):
                self._open[registry] = self._open.get(registry, 0) + (1 if is_open else -1)
                self._set("upstream_up", registry, value=not self._open[registry])
            case _:
                assert_never(event)

    def _finished(self, event: UpstreamFinished) -> None:
        registry, purpose = event.registry, event.purpose
        self.lately.finished(event)
        self._add("upstream_requests", registry, purpose, event.method, str(event.status or "none"))
        self._add("upstream_received_bytes", registry, purpose, amount=event.bytes)
        if event.first_byte is not None:
            self._tally.spread("upstream_first_byte_seconds", registry, purpose).observe(event.first_byte / 1000)
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
