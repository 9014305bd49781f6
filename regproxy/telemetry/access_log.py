"""One valid JSON object per line for every answered request; fields are bounded, nothing secret is ever in one."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO, assert_never

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
    PolicyReloaded,
    PolicyStarted,
    QuotaObserved,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
    UpstreamThrottled,
)
from regproxy.model.message import printable
from regproxy.telemetry.request_line import RequestLines

FIELD_LENGTH = 256
# What a pipe takes whole (pipe(7), PIPE_BUF): lines of several processes never mix.
MAX_LINE = 4096
SHORT_LENGTH = 100
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class AccessLog:
    """Writes events as lines; a log that cannot be written is dropped, never waited for."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._second, self._date = -1, ""
        self._requests = RequestLines(lambda value: printable(value, FIELD_LENGTH))
        self._soon: Callable[[Callable[[], None]], object] | None = None
        self._lines: list[str] = []
        self._size = 0
        self.dropped = 0

    def gather(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """From now on lines leave when `soon` calls back, as many in one write as a pipe takes whole."""
        self._soon = soon

    def observe(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        if event.__class__ is ExchangeFinished:
            text = self._requests.line(self._now(), event)
            if len(text) <= MAX_LINE:
                self._write(text)
                return
        fields = _fields(event)
        if fields is not None:
            self.line(fields)

    def line(self, fields: dict[str, Any]) -> None:
        """Write one line with the time first."""
        timed = {"time": self._now(), **fields}
        text = _text(timed, FIELD_LENGTH)
        if len(text) > MAX_LINE:
            text = _text(timed, SHORT_LENGTH)
        self._write(text)

    def _write(self, text: str) -> None:
        if self._size + len(text) > MAX_LINE:
            self.flush()
        if self._soon is not None and not self._lines:
            self._soon(self.flush)
        self._lines.append(text)
        self._size += len(text)
        if self._soon is None:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._lines:
            return
        lines, self._lines, self._size = self._lines, [], 0
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except (OSError, ValueError):
            self.dropped += len(lines)

    def _now(self) -> str:
        """The time by RFC 3339, to the millisecond."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._date = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._date}.{int((now - second) * 1000):03d}Z"


def _text(fields: dict[str, Any], length: int) -> str:
    # Nearly every value is fit as it is; asking that here spares a call for each.
    fit = {
        key: value
        if value.__class__ is int
        or (value.__class__ is str and len(value) <= length and value.isascii() and value.isprintable())
        else _bounded(value, length)
        for key, value in fields.items()
    }
    return _ENCODER.encode(fit) + "\n"


def _bounded(value: Any, length: int) -> Any:
    match value:
        case str():
            return printable(value, length)
        case tuple():
            return [_bounded(one, length) for one in value]
        case _:
            return value


def _fields(event: Event) -> dict[str, Any] | None:
    match event:
        case ExchangeFinished():
            return _request(event)
        case ConnectFinished(decision="refuse" | "failed"):
            return {
                "event": "connect",
                "client": event.client,
                "authority": event.authority,
                "decision": event.decision,
                "status": event.status,
                "reason": event.reason,
            }
        case TunnelClosed():
            return {
                "event": "tunnel",
                "client": event.client,
                "authority": event.authority,
                "sent": event.sent,
                "received": event.received,
                "milliseconds": round(event.milliseconds, 1),
            }
        case HandshakeFailed():
            return {
                "event": "handshake",
                "client": event.client,
                "authority": event.authority,
                "cause": event.cause,
            }
        case DigestMismatched():
            return {"event": "mismatch", "authority": event.authority, "kind": event.kind, "digest": event.digest}
        case StoreFailed():
            return {"event": "store", "operation": event.operation, "error": event.error}
        case UpstreamFinished() | UpstreamThrottled() | BreakerChanged() | QuotaObserved():
            return _upstream_fields(event)
        case PolicyStarted():
            return {"event": "policy", "checksum": event.checksum, "resumed": event.resumed}
        case PolicyReloaded():
            return _reload(event)
        case CaReloaded() | CaNoticed():
            return _ca(event)
        case ConnectFinished() | EntryStored() | EntryEvicted() | CertificatesFetched():
            return None
        case _:
            assert_never(event)


def _upstream_fields(
    event: UpstreamFinished | UpstreamThrottled | BreakerChanged | QuotaObserved,
) -> dict[str, Any] | None:
    match event:
        case UpstreamFinished(failure=failure) if failure:
            return {
                "event": "upstream",
                "registry": event.registry,
                "purpose": event.purpose,
                "method": event.method,
                "failure": str(failure),
                "milliseconds": round(event.milliseconds, 1),
            }
        case UpstreamThrottled():
            return {
                "event": "throttled",
                "registry": event.registry,
                "authority": event.authority,
                "reason": event.reason,
                "source": event.source,
            }
        case BreakerChanged():
            return {
                "event": "breaker",
                "registry": event.registry,
                "authority": event.authority,
                "state": "open" if event.is_open else "closed",
                "cause": event.cause,
            }
        case UpstreamFinished() | QuotaObserved():
            return None
        case _:
            assert_never(event)


def _request(event: ExchangeFinished) -> dict[str, Any]:
    labels = event.labels
    return {
        "event": "request",
        "client": event.client,
        "authority": event.authority,
        "registry": labels.registry,
        "repository": labels.repository,
        "reference": labels.reference,
        "kind": labels.kind,
        "method": event.method,
        "status": event.status,
        "bytes": event.bytes,
        "milliseconds": round(event.milliseconds, 1),
        "outcome": str(labels.outcome),
        "tier": labels.tier,
        "complete": event.complete,
    }


def _ca(event: CaReloaded | CaNoticed) -> dict[str, Any]:
    if isinstance(event, CaNoticed):
        return {"event": "warning", "message": event.sentence}
    return {
        "event": "ca",
        "result": event.result,
        "trigger": event.trigger,
        "fingerprint": event.fingerprint,
        "ends": datetime.fromtimestamp(int(event.not_after), UTC).strftime("%Y-%m-%d"),
        **({"findings": event.findings} if event.findings else {}),
    }


def _reload(event: PolicyReloaded) -> dict[str, Any]:
    sentences = {"findings": event.findings, "changes": event.changes}
    return {
        "event": "reload",
        "result": event.result,
        "trigger": event.trigger,
        "checksum": event.checksum,
        "milliseconds": round(event.milliseconds, 1),
        **{name: some for name, some in sentences.items() if some},
    }
