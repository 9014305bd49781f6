"""One valid JSON object per line for every answered request; fields are bounded, nothing secret is ever in one."""

import json
from datetime import UTC, datetime
from typing import Any, TextIO, assert_never

from regproxy.model.event import (
    ConnectFinished,
    EntryEvicted,
    EntryStored,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    PolicyReloaded,
    PolicyStarted,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
)
from regproxy.model.message import printable

FIELD_LENGTH = 256


class AccessLog:
    """Writes events as lines; a log that cannot be written is dropped, never waited for."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.dropped = 0

    def observe(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        fields = _fields(event)
        if fields is not None:
            self.line(fields)

    def line(self, fields: dict[str, Any]) -> None:
        """Write one line with the time first."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        bounded = {key: _bounded(value) for key, value in fields.items()}
        try:
            self._out.write(json.dumps({"time": now, **bounded}, separators=(",", ":")) + "\n")
            self._out.flush()
        except (OSError, ValueError):
            self.dropped += 1


def _bounded(value: Any) -> Any:
    match value:
        case str():
            return printable(value, FIELD_LENGTH)
        case tuple():
            return [_bounded(one) for one in value]
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
        case StoreFailed():
            return {"event": "store", "operation": event.operation, "error": event.error}
        case UpstreamFinished(failure=failure) if failure:
            return {
                "event": "upstream",
                "registry": event.registry,
                "purpose": event.purpose,
                "method": event.method,
                "failure": str(failure),
                "milliseconds": round(event.milliseconds, 1),
            }
        case PolicyStarted():
            return {"event": "policy", "checksum": event.checksum, "resumed": event.resumed}
        case PolicyReloaded():
            return _reload(event)
        case ConnectFinished() | UpstreamFinished() | EntryStored() | EntryEvicted():
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
