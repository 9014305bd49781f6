"""What happened to the pulls that registries allow us, as values beside those of `event`."""

from dataclasses import dataclass
from typing import Literal

PullOutcome = Literal["hit", "partial", "miss", "failed"]


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


@dataclass(frozen=True, slots=True)
class PullFinished:
    """A client has pulled an image, or tried to: all that it asked for of one repository, without a longer pause.

    `hit` and `missed` are bytes from the cache and from the registry, `spent` the requests that the registry counts.
    """

    client: str
    authority: str
    registry: str
    repository: str
    reference: str
    outcome: PullOutcome
    hit: int
    missed: int
    spent: int
    requests: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class ImageWarmed:
    """An image that is kept warm moved, or could not be had; `contents` and `bytes` that are here, `failure`: why not.

    `before` and `after` are digests, empty where it meant nothing yet or nobody said.
    """

    image: str
    before: str
    after: str
    contents: int
    bytes: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class LayersPrefetched:
    """What came behind a manifest that a client was fetched: contents and bytes; `failure`: why not all of it."""

    registry: str
    repository: str
    contents: int
    bytes: int
    failure: str = ""


PullEvent = UpstreamRetried | PullSpent | PullFinished | HoldChanged | ImageWarmed | LayersPrefetched
