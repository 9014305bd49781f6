"""What happened to the pulls that registries allow us, as values beside those of `event`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpstreamRetried:
    """A request is sent once more, for nothing of it was sent; `failure` names the class of its failure."""

    registry: str
    failure: str


@dataclass(frozen=True, slots=True)
class PullSpent:
    """A registry answered a request that it counts; all callers' own logins are one account, `own`."""

    registry: str
    account: str


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """Nothing that counts for this account is sent until then, seconds since the epoch; 0.0: no longer held.

    `account` is `all` where no request is sent at all.
    """

    registry: str
    account: str
    until: float
