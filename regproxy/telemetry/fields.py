"""What the log says of an event: names and values, in the order in which they are written; None: nothing."""

from datetime import UTC, datetime
from typing import Any, assert_never

from regproxy.model.ca_event import CaNoticed, CaReloaded, CertificatesFetched, LeafIssued
from regproxy.model.credential_event import CredentialEvent, CredentialRejected, HelperFailed
from regproxy.model.event import (
    BodyBegan,
    BreakerChanged,
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
from regproxy.model.exchange import AskAnswered, UpstreamAnswered
from regproxy.model.measure import EdgeMeasured, ProcessEnded, ProcessMeasured
from regproxy.model.pull_event import (
    HoldChanged,
    ImageWarmed,
    LayersPrefetched,
    PullFinished,
    PullSpent,
    UpstreamRetried,
)

Fields = dict[str, Any]


def fields_of(event: Event) -> Fields | None:
    """The line of an event, if it has one."""
    match event:
        case ExchangeFinished():
            return _request(event)
        case ConnectFinished() | TunnelClosed() | HandshakeFailed():
            return _connection(event)
        case UpstreamFinished() | UpstreamThrottled() | BreakerChanged() | CredentialRejected() | HelperFailed():
            return _upstream(event)
        case ImageWarmed():
            return _warmed(event)
        case LayersPrefetched():
            return _prefetched(event)
        case DigestMismatched() | StoreFailed():
            return _trouble(event)
        case PolicyStarted() | PolicyReloaded() | CaReloaded() | CaNoticed():
            return _running(event)
        case PullFinished():
            return _pull(event)
        case (
            EntryStored()
            | EntryEvicted()
            | LeafIssued()
            | QuotaObserved()
            | UpstreamRetried()
            | AskAnswered()
            | UpstreamAnswered()
            | CertificatesFetched()
            | BodyBegan()
            | PullSpent()
            | HoldChanged()
            | ProcessMeasured()
            | EdgeMeasured()
            | ProcessEnded()
        ):
            return None
        case _:
            assert_never(event)


def _who(client: str, user: str) -> dict[str, str]:
    """Where the client is, and who it proved to be, where it did."""
    return {"client": client, "user": user} if user else {"client": client}


def _request(event: ExchangeFinished) -> Fields:
    labels = event.labels
    found = {
        "event": "request",
        **_who(event.client, event.user),
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
    if labels.stale is not None:
        found |= {"stale": labels.stale.reason, "stale_seconds": round(labels.stale.seconds)}
    return found | {"trace_id": event.trace} if event.trace else found


def _pull(event: PullFinished) -> Fields:
    return {
        "event": "pull",
        "client": event.client,
        "authority": event.authority,
        "registry": event.registry,
        "repository": event.repository,
        "reference": event.reference,
        "pull": event.outcome,
        "hit_bytes": event.hit,
        "missed_bytes": event.missed,
        "spent": event.spent,
        "requests": event.requests,
        "milliseconds": round(event.milliseconds, 1),
    }


def _connection(event: ConnectFinished | TunnelClosed | HandshakeFailed) -> Fields | None:
    if isinstance(event, ConnectFinished) and event.decision in ("intercept", "tunnel"):
        return None  # what follows is told
    user = "" if isinstance(event, HandshakeFailed) else event.user
    who = {**_who(event.client, user), "authority": event.authority}
    match event:
        case ConnectFinished(decision=decision, status=status, reason=reason):
            return {"event": "connect", **who, "decision": decision, "status": status, "reason": reason}
        case TunnelClosed(sent=sent, received=received, milliseconds=spent):
            return {"event": "tunnel", **who, "sent": sent, "received": received, "milliseconds": round(spent, 1)}
        case HandshakeFailed(cause=cause):
            return {"event": "handshake", **who, "cause": cause}
        case _:
            assert_never(event)


def _upstream(event: UpstreamFinished | UpstreamThrottled | BreakerChanged | CredentialEvent) -> Fields | None:
    match event:
        case UpstreamFinished(failure=""):
            return None
        case UpstreamFinished():
            return {
                "event": "upstream",
                "registry": event.registry,
                "purpose": event.purpose,
                "method": event.method,
                "failure": str(event.failure),
                "milliseconds": round(event.milliseconds, 1),
            }
        case UpstreamThrottled(registry=registry, authority=authority):
            where = {"registry": registry, "authority": authority}
            return {"event": "throttled", **where, "reason": event.reason, "source": event.source}
        case CredentialRejected(registry=registry, authority=authority):
            where = {"registry": registry, "authority": authority}
            return {"event": "credential", **where, "account": event.account, "message": event.detail}
        case HelperFailed(registry=registry, authority=authority):
            where = {"registry": registry, "authority": authority}
            return {"event": "credential", **where, "account": f"helper {event.command}", "message": event.detail}
        case BreakerChanged(registry=registry, authority=authority):
            where = {"registry": registry, "authority": authority}
            return {"event": "breaker", **where, "state": "open" if event.is_open else "closed", "cause": event.cause}
        case _:
            assert_never(event)


def _warmed(event: ImageWarmed) -> Fields:
    moved = {"image": event.image, "before": event.before, "after": event.after}
    brought = {"contents": event.contents, "bytes": event.bytes}
    return {"event": "warm", **moved, **brought, **({"failure": event.failure} if event.failure else {})}


def _prefetched(event: LayersPrefetched) -> Fields:
    where = {"registry": event.registry, "repository": event.repository}
    brought = {"contents": event.contents, "bytes": event.bytes}
    return {"event": "prefetch", **where, **brought, **({"failure": event.failure} if event.failure else {})}


def _trouble(event: DigestMismatched | StoreFailed) -> Fields:
    if isinstance(event, StoreFailed):
        return {"event": "store", "operation": event.operation, "error": event.error}
    return {"event": "mismatch", "authority": event.authority, "kind": event.kind, "digest": event.digest}


def _running(event: PolicyStarted | PolicyReloaded | CaReloaded | CaNoticed) -> Fields:
    match event:
        case PolicyStarted(checksum=checksum, resumed=resumed):
            return {"event": "policy", "checksum": checksum, "resumed": resumed}
        case PolicyReloaded():
            sentences = {"findings": event.findings, "changes": event.changes}
            return {
                "event": "reload",
                "result": event.result,
                "trigger": event.trigger,
                "checksum": event.checksum,
                "milliseconds": round(event.milliseconds, 1),
                **{name: some for name, some in sentences.items() if some},
            }
        case CaReloaded():
            return {
                "event": "ca",
                "result": event.result,
                "trigger": event.trigger,
                "fingerprint": event.fingerprint,
                "ends": datetime.fromtimestamp(int(event.not_after), UTC).strftime("%Y-%m-%d"),
                **({"findings": event.findings} if event.findings else {}),
            }
        case CaNoticed(sentence=sentence):
            return {"event": "warning", "message": sentence}
        case _:
            assert_never(event)
