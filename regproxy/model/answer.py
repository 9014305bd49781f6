"""The seam between edge and core: an edge asks, the core answers; nothing else crosses."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from regproxy.model.address import Authority
from regproxy.model.connect import ConnectDecision, ProxyUser, Refuse
from regproxy.model.event import Event, Labels
from regproxy.model.leaf import Leaf
from regproxy.model.message import Fields, Head
from regproxy.model.oci import Digest
from regproxy.model.sighting import Sighting
from regproxy.model.trace import Span


@dataclass(frozen=True, slots=True)
class RequestBody:
    """A request body on its way: `fd` is the reading end of a socket, owned by the core once asked; `size` if known."""

    fd: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Ask:
    """One request on an intercepted connection; the core derives everything else itself.

    `ours`: the proxy asks by itself, for its operator; no edge can say so.
    `span`: its place in a trace, where exchanges are traced.
    """

    authority: Authority
    scheme: str
    method: str
    target: str
    fields: Fields
    client: str
    body: RequestBody | None = None
    user: str = ""
    ours: bool = False
    span: Span | None = None


class Progress(Protocol):
    """How far a part file may be read."""

    async def beyond(self, offset: int) -> int:
        """Wait until bytes past `offset` may be sent, or the body is whole; how many may. Raises BrokenBody."""
        ...

    def leave(self) -> None:
        """This reader is gone; call exactly once."""
        ...


class Ending(Protocol):
    """How a streamed body ended."""

    async def wait(self) -> None:
        """Return when the body ended whole; raises BrokenBody when it did not."""
        ...


class BrokenBody(Exception):  # noqa: N818 -- the body is broken, whoever's error it was
    """A body that can no longer become whole: the client must see an aborted connection, never a clean end."""


class Interrupted(BrokenBody):
    """A body that breaks off here for want of disk; the rest is to be had by asking again with a Range from here."""


class CoreAway(Exception):  # noqa: N818 -- an absence, not a fault of the request
    """The core cannot be asked now and did not come back in time; the text is for the client."""


class Audience(StrEnum):
    """To whom an edge may repeat an answer: it always takes the same Authorization, or none as then."""

    EVERYONE = "everyone"
    CALLER = "caller"


@dataclass(frozen=True, slots=True)
class Stored:
    """The body is content on disk: open it by `digest` below the cache directory.

    It may be repeated to `audience` until `until`, seconds since the epoch, or until it is forgotten; 0: never.
    """

    head: Head
    digest: Digest
    size: int
    labels: Labels
    until: float = 0.0
    audience: Audience = Audience.CALLER


@dataclass(frozen=True, slots=True)
class Filling:
    """The body is being fetched into the file behind `fd`, which the edge owns and closes; `size` None: unknown."""

    head: Head
    size: int | None
    fd: int
    progress: Progress
    labels: Labels


@dataclass(frozen=True, slots=True)
class Streaming:
    """The body comes through the socket `fd`, which the edge owns and closes; nothing is stored."""

    head: Head
    fd: int
    ending: Ending
    labels: Labels


@dataclass(frozen=True, slots=True)
class Reply:
    """A small answer: refusals, tokens, pings, errors, heads, manifests in hand; may be repeated as `Stored` says."""

    head: Head
    body: bytes
    labels: Labels
    until: float = 0.0
    audience: Audience = Audience.CALLER


Answer = Stored | Filling | Streaming | Reply


@dataclass(frozen=True, slots=True)
class Forget:
    """What was remembered of this repository no longer holds; without an authority, nothing that was remembered."""

    authority: Authority | None = None
    repository: str = ""


class Core(Protocol):
    """All that an edge knows of the rest of the program; what it awaits raises CoreAway."""

    async def identify(self, client: str, proof: str) -> ProxyUser | Refuse:
        """Who a client is by what it gave as Proxy-Authorization."""
        ...

    async def on_connect(self, authority: Authority, client: str, user: str) -> ConnectDecision:
        """Intercept, tunnel or refuse; from the active policy. `user` is who the client proved to be, if anybody."""
        ...

    def decided(self, authority: Authority, client: str, user: str) -> ConnectDecision | None:
        """What `on_connect` says, where that is known without waiting."""
        ...

    async def through_parent(self, authority: Authority, client: str, user: str) -> int | Refuse:
        """A socket, owned by the edge, that leads to this authority through the proxy that the policy names for it."""
        ...

    async def leaf(self, name: str) -> Leaf:
        """A certificate for this canonical host; raises ValueError for a name that the CA does not permit.

        NotValidNow while the CA itself is not valid.
        """
        ...

    async def answer(self, ask: Ask) -> Answer:
        """Answer one request."""
        ...

    async def sightings(self, client: str) -> tuple[Sighting, ...]:
        """What happened to this client, the last first."""
        ...

    def watch(self, forget: Callable[[Forget], None]) -> None:
        """Call this whenever remembered answers no longer hold."""
        ...

    def report(self, events: Iterable[Event]) -> None:
        """Take note of what happened at the edge."""
        ...
