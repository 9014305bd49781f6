"""The frames between an edge and the core: typed, of bounded size, of one version.

An edge numbers what it asks; the core answers under that number. Fills have numbers of the core's: many asks of one
edge may follow the same one. A descriptor that belongs to a frame travels with it (unix(7), SCM_RIGHTS).
"""

from typing import Literal

from msgspec import Struct

from regproxy.model.answer import Audience
from regproxy.model.ca_event import CertificatesFetched
from regproxy.model.connect import Intercept
from regproxy.model.event import (
    BodyBegan,
    ConnectFinished,
    ExchangeFinished,
    HandshakeFailed,
    Labels,
    StoreFailed,
    TunnelClosed,
)
from regproxy.model.leaf import Leaf
from regproxy.model.measure import EdgeMeasured, ProcessMeasured
from regproxy.model.message import Fields, Head
from regproxy.model.oci import Digest
from regproxy.model.sighting import Sighting
from regproxy.model.trace import Span

# Both ends are the same program, but a new version may be installed under a running parent.
VERSION = 5
# A request's head is at most 64 KiB, twice that in UTF-8; Linux's smallest usual send buffer holds this.
MAX_FRAME = 192 * 1024
# Larger bodies of small answers travel as a file in memory.
MAX_INLINE = 32 * 1024


class Frame(Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True):
    """What all frames have in common: how they are encoded."""


# From an edge.


class Hello(Frame, frozen=True):
    """The first frame of an edge."""

    version: int


class Asked(Frame, frozen=True):
    """A request; with `body` a socket travels along from which it is read, `size` bytes if that is known."""

    id: int
    authority: str
    scheme: Literal["http", "https"]
    method: str
    target: str
    fields: Fields
    client: str
    body: bool
    size: int | None
    user: str
    span: Span | None = None


class Identifying(Frame, frozen=True):
    """Who is this client, by its Proxy-Authorization?"""

    id: int
    client: str
    proof: str


class Connecting(Frame, frozen=True):
    """What does a CONNECT of this client to this authority lead to? `through` the parent proxy, make the connection."""

    id: int
    authority: str
    client: str
    user: str
    through: bool = False


class LeafWanted(Frame, frozen=True):
    """A certificate for this name, please."""

    id: int
    name: str


class SightingsWanted(Frame, frozen=True):
    """What happened to this client?"""

    id: int
    client: str


class Gone(Frame, frozen=True):
    """Nobody waits for this answer, or reads its body, any more; sent once for each ask that has one."""

    id: int


class Happened(Frame, frozen=True):
    """Events of an edge, those of one kind in their order."""

    exchanges: tuple[ExchangeFinished, ...] = ()
    connects: tuple[ConnectFinished, ...] = ()
    tunnels: tuple[TunnelClosed, ...] = ()
    handshakes: tuple[HandshakeFailed, ...] = ()
    unread: tuple[StoreFailed, ...] = ()
    fetches: tuple[CertificatesFetched, ...] = ()
    bodies: tuple[BodyBegan, ...] = ()
    processes: tuple[ProcessMeasured, ...] = ()
    edges: tuple[EdgeMeasured, ...] = ()


FromEdge = Hello | Asked | Identifying | Connecting | LeafWanted | SightingsWanted | Gone | Happened


# From the core.


class Welcome(Frame, frozen=True):
    """The first frame of the core: what an edge needs to serve.

    `probe` is a registry that setup scripts try, `name` the proxy's own where clients speak TLS with it, `balancers`
    are networks, `capacity` the connections of an edge, in all and of one client address. Without
    `ipv6` tunnels lead to IPv4 alone; `traced`: exchanges are.
    """

    version: int
    content_directory: str
    ca_certificate: bytes
    ca_fingerprint: str
    listeners: tuple[str, ...]
    probe: str
    name: str = ""
    balancers: tuple[str, ...] = ()
    capacity: tuple[int, int] = (1, 1)
    ipv6: bool = True
    traced: bool = False


class Identified(Frame, frozen=True):
    """The client is this user; empty: nobody."""

    id: int
    user: str


class Intercepted(Frame, frozen=True):
    """End TLS, as the registry's block says."""

    id: int
    decision: Intercept


class Tunnelled(Frame, frozen=True):
    """Relay bytes; `allow` are networks, the rest is as in `model.Tunnel`."""

    id: int
    allow: tuple[str, ...]
    named: bool
    parent: bool
    connect: float
    idle: float


class Connected(Frame, frozen=True):
    """A socket that leads through the parent proxy travels along."""

    id: int


class Refused(Frame, frozen=True):
    """Answer the CONNECT with this."""

    id: int
    status: int
    reason: str


class LeafGiven(Frame, frozen=True):
    """The certificate with its key."""

    id: int
    leaf: Leaf


class SightingsGiven(Frame, frozen=True):
    """What happened to the client."""

    id: int
    sightings: tuple[Sighting, ...]


class NoLeaf(Frame, frozen=True):
    """Why there is none; `passing`: it may be had once the CA is valid."""

    id: int
    why: str
    passing: bool


class GaveStored(Frame, frozen=True):
    """`Stored`."""

    id: int
    head: Head
    digest: Digest
    size: int
    labels: Labels
    until: float
    audience: Audience


class GaveReply(Frame, frozen=True):
    """`Reply`; with `size` its body is in the descriptor that travels along, not in `body`."""

    id: int
    head: Head
    body: bytes
    size: int
    labels: Labels
    until: float
    audience: Audience


class GaveFilling(Frame, frozen=True):
    """`Filling`: its descriptor travels along; `have` bytes of fill `fill` may be read."""

    id: int
    fill: int
    head: Head
    size: int | None
    have: int
    labels: Labels


class GaveStreaming(Frame, frozen=True):
    """`Streaming`: its descriptor travels along."""

    id: int
    head: Head
    labels: Labels


class Advanced(Frame, frozen=True):
    """`have` bytes of a fill may be read; only the newest counts."""

    fill: int
    have: int


class FillEnded(Frame, frozen=True):
    """A fill is whole with `have` bytes, or broken: `why`; `interrupted` by the disk: the rest may be asked for."""

    fill: int
    have: int
    why: str
    interrupted: bool = False


class StreamEnded(Frame, frozen=True):
    """The streamed body of this answer ended whole, or broken: `why`."""

    id: int
    why: str


class Forgotten(Frame, frozen=True):
    """`Forget`; an empty `authority` means everything."""

    authority: str
    repository: str


# What answers an ask, by its number.
Given = (
    GaveStored
    | GaveReply
    | GaveFilling
    | GaveStreaming
    | Identified
    | Intercepted
    | Tunnelled
    | Connected
    | Refused
    | LeafGiven
    | NoLeaf
    | SightingsGiven
)
FromCore = Welcome | Given | Advanced | FillEnded | StreamEnded | Forgotten
