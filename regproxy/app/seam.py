"""The core as an edge sees it, where both are one process, and what is behind the channel where they are not."""

from collections.abc import Callable, Iterable

from regproxy.cache.answer import Cache
from regproxy.cache.tunnels import Tunnels
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Forget
from regproxy.model.ca_event import LeafIssued
from regproxy.model.connect import ConnectDecision, ProxyUser, Refuse
from regproxy.model.event import Event
from regproxy.model.leaf import Leaf
from regproxy.model.sighting import Sighting
from regproxy.tls.directory import Holdings
from regproxy.tls.own import OwnCertificate


class Seam:
    """`model.Core`: answers are the cache's, leaves the CA's in force, but for the proxy's `own` name.

    `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        cache: Cache,
        tunnels: Tunnels,
        holdings: Callable[[], Holdings],
        own: OwnCertificate | None,
        clock: Callable[[], float],
        sightings: Callable[[str], tuple[Sighting, ...]],
    ) -> None:
        self._cache = cache
        self._tunnels = tunnels
        self._holdings = holdings
        self._own = own
        self._clock = clock
        self._sightings = sightings

    async def identify(self, client: str, proof: str) -> ProxyUser | Refuse:
        """Who a client is; from the active policy."""
        return await self._cache.identify(client, proof)

    async def on_connect(self, authority: Authority, client: str, user: str) -> ConnectDecision:
        """Intercept, tunnel or refuse; from the active policy."""
        return self._cache.on_connect(authority, client, user)

    def decided(self, authority: Authority, client: str, user: str) -> ConnectDecision | None:
        """The same: nothing is waited for here."""
        return self._cache.on_connect(authority, client, user)

    async def through_parent(self, authority: Authority, client: str, user: str) -> int | Refuse:
        """A socket that leads through the parent proxy of the active policy."""
        return await self._tunnels.through_parent(authority, client, user)

    async def leaf(self, name: str) -> Leaf:
        """A fresh leaf; raises ValueError for a name that the CA does not permit, and NotValidNow.

        For the proxy's own name it is the operator's certificate, where there is one.
        """
        if self._own is not None and name == self._own.name:
            return self._own.leaf(self._clock())
        leaf = self._holdings().leaf(name, self._clock())
        self._cache.report([LeafIssued(name)])
        return leaf

    async def sightings(self, client: str) -> tuple[Sighting, ...]:
        """What happened to this client, the last first."""
        return self._sightings(client)

    async def answer(self, ask: Ask) -> Answer:
        """Answer one request."""
        return await self._cache.answer(ask)

    def report(self, events: Iterable[Event]) -> None:
        """Take note of what happened at the edge."""
        self._cache.report(events)

    def watch(self, forget: Callable[[Forget], None]) -> None:
        """Call this whenever remembered answers no longer hold."""
        self._cache.watch(forget)
