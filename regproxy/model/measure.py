"""How things are now, as values: parts tell it when they are asked for it, at a scrape for one, or now and then."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreMeasured:
    """How full the store is, in bytes and in pieces of content; `limit` is the policy's."""

    content: int
    reserved: int
    objects: int
    limit: int


@dataclass(frozen=True, slots=True)
class DiskMeasured:
    """The file system of the store and what is pinned, in bytes; when the content that leaves next was last used."""

    free: int
    total: int
    oldest: float | None
    pinned: int = 0


@dataclass(frozen=True, slots=True)
class UpstreamMeasured:
    """Requests to upstreams: `fills` are transfers into the cache, `busy` of `slots` are taken, `queued` wait."""

    fills: int
    busy: int
    slots: int
    queued: int


@dataclass(frozen=True, slots=True)
class CaMeasured:
    """When the CA that signs ends, in seconds since the epoch."""

    not_after: float


@dataclass(frozen=True, slots=True)
class LogMeasured:
    """Lines that could not be written since the start."""

    dropped: int


@dataclass(frozen=True, slots=True)
class ClientsMeasured:
    """The share of the last thousand requests that the busiest address made, 0 to 1."""

    busiest: float


@dataclass(frozen=True, slots=True)
class ProcessMeasured:
    """One process of ours: how late its event loop was, in seconds, each time it was looked at since it last told.

    `cpu`: seconds of CPU since then; `memory`: bytes that are resident.
    """

    process: str
    lags: tuple[float, ...]
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Connections that an edge closed: of an `address` that has its share, the last of which is `last`; `idle` ones.

    These were let go for others to have room. `preparing`: too many of balancers or of TLS were not ready to be served.
    """

    address: int = 0
    idle: int = 0
    preparing: int = 0
    last: str = ""


NOBODY = TurnedAway()


@dataclass(frozen=True, slots=True)
class EdgeMeasured:
    """One edge: requests under way, connections that are at work or wait, TLS handshakes since it last told.

    Since then, too: whom it turned away, and how often it left clients waiting, for it was full.
    """

    process: str
    in_flight: int
    active: int
    idle: int
    handshakes: int
    turned_away: TurnedAway = NOBODY
    waits: int = 0


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """A process of ours is gone, and what it had open with it."""

    process: str


# What the parts of the core say at a scrape.
Measured = StoreMeasured | DiskMeasured | UpstreamMeasured | CaMeasured | LogMeasured | ClientsMeasured
# What a process says of itself now and then.
Pulse = ProcessMeasured | EdgeMeasured | ProcessEnded
