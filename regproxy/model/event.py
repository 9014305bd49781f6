"""What happened, as values: telemetry turns these into metrics and log lines, nobody else does."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from regproxy.model.ca_event import Certified
from regproxy.model.credential_event import CredentialEvent
from regproxy.model.exchange import Traced
from regproxy.model.measure import Pulse
from regproxy.model.oci import Digest
from regproxy.model.pull_event import PullEvent
from regproxy.model.stale import Stale
from regproxy.model.trace import Span

Decided = Literal["intercept", "tunnel", "refuse", "failed"]
HandshakeCause = Literal["unknown_ca", "timeout", "closed", "other"]


class Outcome(StrEnum):
    """How a request was answered: metric label, log field and Cache-Status in one."""

    HIT = "hit"
    REVALIDATED = "revalidated"
    STALE = "stale"
    SWR = "swr"
    MISS = "miss"
    COLLAPSED = "collapsed"
    EXPIRED = "expired"
    PASS = "pass"  # noqa: S105 -- a word, not a password
    NEGATIVE = "negative"
    LOCAL = "local"
    DENIED = "denied"
    ERROR = "error"

    @property
    def seed(self) -> str:
        """The seed's word in X-Docker-Registry-Proxy-Cache-Upstream-Status (nginx's $upstream_cache_status)."""
        return _SEED[self]

    def cache_status(self, status: int) -> str:
        """The value of Cache-Status (RFC 9211) on an answer of this status; a refusal is not `stored`."""
        value = _CACHE_STATUS[self]
        return f"regproxy; {value if status < 300 else value.removesuffix('; stored')}"


_SEED = {
    Outcome.HIT: "HIT",
    Outcome.REVALIDATED: "REVALIDATED",
    Outcome.STALE: "STALE",
    Outcome.SWR: "UPDATING",
    Outcome.MISS: "MISS",
    Outcome.COLLAPSED: "MISS",
    Outcome.EXPIRED: "EXPIRED",
    Outcome.PASS: "BYPASS",
    Outcome.NEGATIVE: "HIT",
    Outcome.LOCAL: "HIT",
    Outcome.DENIED: "BYPASS",
    Outcome.ERROR: "MISS",
}
_CACHE_STATUS = {
    Outcome.HIT: "hit",
    Outcome.REVALIDATED: "fwd=stale; detail=revalidated",
    Outcome.STALE: "hit; detail=stale",
    Outcome.SWR: "hit; detail=stale-while-revalidate",
    Outcome.MISS: "fwd=uri-miss; stored",
    Outcome.COLLAPSED: "fwd=uri-miss; collapsed",
    Outcome.EXPIRED: "fwd=stale; stored",
    Outcome.PASS: "fwd=bypass",
    Outcome.NEGATIVE: "hit; detail=negative",
    Outcome.LOCAL: "hit; detail=local",
    Outcome.DENIED: "detail=denied",
    Outcome.ERROR: "fwd=uri-miss; detail=upstream-failed",
}


@dataclass(frozen=True, slots=True)
class Labels:
    """What the core knows of a request when it answers: the half of a log line that an edge cannot know.

    `stale`: how stale the answer is, if it is; then no edge repeats it.
    """

    outcome: Outcome
    registry: str = ""
    kind: str = ""
    repository: str = ""
    reference: str = ""
    tier: str = ""
    stale: Stale | None = None


@dataclass(frozen=True, slots=True)
class ExchangeFinished:
    """One request on an intercepted connection was answered, wholly or not; `left`: its client did not wait.

    `first_byte`: milliseconds until the head left; `trace`: its id (W3C), `span` our place in it; `user` who proved it.
    """

    client: str
    authority: str
    method: str
    status: int
    bytes: int
    milliseconds: float
    labels: Labels
    complete: bool = True
    first_byte: float = 0.0
    left: bool = False
    trace: str = ""
    user: str = ""
    streamed: bool = False
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class BodyBegan:
    """The head of an answer left whose body takes a while; `ExchangeFinished` follows, with `streamed`."""

    client: str
    authority: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class UpstreamFinished:
    """One request to an upstream ended; `failure` names a failure class when there was no usable answer.

    `first_byte`: milliseconds until the head was there, if it came; `span`: the client's exchange that it was for.
    """

    registry: str
    purpose: str
    method: str
    status: int
    bytes: int
    milliseconds: float
    failure: str = ""
    first_byte: float | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class UpstreamThrottled:
    """An upstream answered 429: `pull_limit`, `abuse`, or `client` where it was to a client's own credential.

    `source` is whom the registry counts, our address for one, where it says so.
    """

    registry: str
    authority: str
    reason: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class QuotaObserved:
    """A registry said how many pulls an account has left; `at` is seconds since the epoch.

    `window`: the seconds in which `limit` counts, 0 where it did not say.
    """

    registry: str
    account: str
    limit: int
    remaining: int
    at: float
    window: int = 0


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """Requests to an authority fail at once from now on, or are sent again."""

    registry: str
    authority: str
    is_open: bool
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ConnectFinished:
    """A CONNECT was decided; `failed`: what was decided could not be done."""

    client: str
    authority: str
    decision: Decided
    status: int
    reason: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class TunnelClosed:
    """A blind tunnel ended."""

    client: str
    authority: str
    sent: int
    received: int
    milliseconds: float
    user: str = ""


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """A client did not complete TLS with us; `closed`: it hung up."""

    client: str
    authority: str
    cause: HandshakeCause


@dataclass(frozen=True, slots=True)
class EntryStored:
    """Verified content became visible; `again`: it had left the store a short while ago."""

    kind: str
    bytes: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class EntryEvicted:
    """Content left the store: `size`, `inactive`, `min-free`, `damaged` or `purged`."""

    bytes: int
    cause: str


@dataclass(frozen=True, slots=True)
class DigestMismatched:
    """An upstream gave other bytes than those asked for: no client has them whole, nothing is kept."""

    authority: str
    kind: str
    digest: str


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """The disk refused; the pull goes on without it. `digest` names content that an edge could not `read`."""

    operation: str
    error: str
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class PolicyStarted:
    """The proxy begins to serve by a policy, at `at` seconds since the epoch; `resumed`: by the last good one."""

    checksum: str
    at: float
    resumed: bool
    exposed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyReloaded:
    """A reload ended; `checksum`, `registries` and `tiers` are those of the policy that runs now, whichever it is.

    `trigger` is `file`, `signal` or `api`, `at` in seconds since the epoch; `findings` and `changes` (what is decided
    differently) are a few sentences each; `exposed`: registries with a credential that is lent to any client.
    """

    result: Literal["success", "unchanged", "failure"]
    trigger: str
    checksum: str
    registries: tuple[str, ...]
    tiers: tuple[str, ...]
    at: float
    milliseconds: float
    findings: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()


Event = (
    ExchangeFinished
    | UpstreamFinished
    | UpstreamThrottled
    | QuotaObserved
    | BreakerChanged
    | ConnectFinished
    | TunnelClosed
    | HandshakeFailed
    | EntryStored
    | EntryEvicted
    | DigestMismatched
    | StoreFailed
    | PolicyStarted
    | PolicyReloaded
    | CredentialEvent
    | PullEvent
    | Certified
    | BodyBegan
    | Pulse
    | Traced
)
