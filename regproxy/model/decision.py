"""The contract between policy and data path: the language compiles to a Decision, the data path reads only that.

All durations are seconds; `math.inf` is `forever`.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

# Who is served what is stored: who holds a grant for its repository, or anyone.
Readers = Literal["granted", "anyone"]


class FailureClass(StrEnum):
    """Why there is no usable answer; these are the language's `error`."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class Failures:
    """A set of ways to fail: classes without an answer, and statuses."""

    classes: frozenset[FailureClass] = frozenset()
    statuses: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class StaleIfError:
    """Serve stale for `duration` after freshness ended, when the upstream failed in one of these ways."""

    duration: float
    on: Failures


@dataclass(frozen=True, slots=True)
class Revalidation:
    """How staleness is checked; after `within` seconds the stale answer is served and the check goes on."""

    method: Literal["head", "etag", "full"] = "head"
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Negative:
    """Remember these statuses (404, 410) for `duration`."""

    statuses: frozenset[int]
    duration: float


@dataclass(frozen=True, slots=True)
class Origin:
    """As long as the origin's own fields say (RFC 9111)."""


# How long content stays when room is needed: `briefly` leaves first, `pinned` last.
Keep = Literal["normal", "briefly", "pinned"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a tier grants to an entry; blobs, and what the origin describes, are passed on beyond `max_object` bytes.

    Who may read is asked again after `recheck`. In an outage a caller's own grant holds for `stale_auth` longer; what
    is public stays so. `prefetch`: behind a manifest that a client was fetched come the layers of its image.
    """

    fresh: float | Origin = 0.0
    stale_if_error: StaleIfError | None = None
    stale_while_revalidate: float = 0.0
    revalidate: Revalidation = field(default_factory=Revalidation)
    negative: Negative | None = None
    max_object: float = math.inf
    readers: Readers = "granted"
    recheck: float = 3600.0
    stale_auth: float = 4 * 3600.0
    keep: Keep = "normal"
    prefetch: bool = False

    @property
    def lifetime(self) -> float:
        """For how long the tier itself calls an entry fresh; where the origin decides that, not at all."""
        return 0.0 if isinstance(self.fresh, Origin) else self.fresh


@dataclass(frozen=True, slots=True)
class Cached:
    """The tier caches under these terms."""

    tier: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Passed:
    """The tier passes the request on; nothing is stored."""

    tier: str


@dataclass(frozen=True, slots=True)
class Denied:
    """The tier refuses the request; `text` reaches the client in the reason phrase and the body."""

    tier: str
    status: int
    text: str


Decision = Cached | Passed | Denied


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """What a tier may look at: everything is known before the upstream is contacted."""

    method: str
    authority: str
    registry: str
    kind: str
    path: str
    repository: str = ""
    tag: str = ""
    digest: str = ""
    client: str = ""
    user: str = ""
