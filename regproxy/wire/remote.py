"""The edge's side: `model.Core` over a channel that is made again whenever it breaks."""

import asyncio
import os
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Literal

from regproxy.model.address import Authority, parse_authority
from regproxy.model.answer import Answer, Ask, CoreAway, Filling, Forget, Reply, RequestBody, Stored, Streaming
from regproxy.model.connect import ConnectDecision, ProxyUser, Refuse, Tunnel
from regproxy.model.event import Event
from regproxy.model.leaf import Leaf, NotValidNow
from regproxy.model.sighting import Sighting
from regproxy.wire.frames import (
    Asked,
    Connecting,
    Forgotten,
    Frame,
    Identified,
    Identifying,
    Intercepted,
    LeafGiven,
    LeafWanted,
    NoLeaf,
    Refused,
    SightingsGiven,
    SightingsWanted,
    Tunnelled,
    Welcome,
)
from regproxy.wire.link import Connection, Found, Link, Lost
from regproxy.wire.reports import Reports

WAIT_SECONDS = 5.0
RETRY_SECONDS = 0.05
# Asked again after the core died, once: a request that kills the core must not do so for ever.
ATTEMPTS = 2
MAX_REFUSALS = 3
MAX_CONNECTS = 4096
AWAY = "regproxy: its core is being started again; try again in a moment"
CONFUSED = "regproxy: its core answered something else; try again"
DIED = "regproxy: its core ended while it answered this; try again"


class RemoteCore:
    """The core in another process; `run` keeps the connection that `dial` makes, without waiting."""

    def __init__(self, dial: Callable[[], socket.socket]) -> None:
        self._dial = dial
        self._link: Link | None = None
        self._welcome: Welcome | None = None
        self._connected = asyncio.Event()
        self._watchers: list[Callable[[Forget], None]] = []
        self._connects: OrderedDict[tuple[Authority, str, str], ConnectDecision] = OrderedDict()
        self._forgets = 0
        self._reports = Reports()

    # The connection.

    async def run(self) -> None:
        """Stay connected until cancelled; raises ConnectionRefusedError when the core does not want us."""
        refusals = 0
        while refusals < MAX_REFUSALS:
            try:
                link = Link(self._dial(), self._welcomed, self._forgotten, self._lost)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                await link.ended
            finally:
                link.close()
            refusals = 0 if link.welcomed else refusals + 1
            await asyncio.sleep(RETRY_SECONDS)
        raise ConnectionRefusedError("the core refuses this edge: is it of another version?")

    async def welcome(self) -> Welcome:
        """What the core said first; waits until it did."""
        await self._connected.wait()
        return self.welcomed()

    def welcomed(self) -> Welcome:
        """What the core said last, also while it is away; there must have been a first time."""
        if self._welcome is None:
            raise RuntimeError("connected without a welcome")
        return self._welcome

    async def close(self, seconds: float) -> None:
        """Send what is still to be said, within `seconds`."""
        self._reports.flush()
        if self._link is not None:
            await self._link.channel.emptied(seconds)

    def _welcomed(self, link: Link, welcome: Welcome) -> None:
        """A new connection, or another CA: what was remembered may have been invalidated meanwhile."""
        self._welcome = welcome
        self._forget(Forget())
        self._link = self._reports.link = link
        self._connected.set()

    def _lost(self, link: Link) -> None:
        if self._link is link:
            self._link = self._reports.link = None
            self._connected.clear()

    def _forgotten(self, frame: Forgotten) -> None:
        self._forget(Forget(parse_authority(frame.authority), frame.repository) if frame.authority else Forget())

    def _forget(self, forget: Forget) -> None:
        self._forgets += 1
        if forget.authority is None:
            self._connects.clear()
        for watcher in self._watchers:
            watcher(forget)

    async def _linked(self) -> Link:
        if self._link is None:
            try:
                await asyncio.wait_for(self._connected.wait(), WAIT_SECONDS)
            except TimeoutError:
                raise CoreAway(AWAY) from None
        if self._link is None:
            raise CoreAway(AWAY)
        return self._link

    async def _asked(self, make: Callable[[int], Frame]) -> Found:
        """Ask, and ask the next core again if this one ends meanwhile."""
        for _ in range(ATTEMPTS):
            link = await self._linked()
            try:
                return await link.ask(make)
            except Lost:
                continue
        raise CoreAway(DIED)

    # model.Core.

    def watch(self, forget: Callable[[Forget], None]) -> None:
        """Call this whenever remembered answers no longer hold."""
        self._watchers.append(forget)

    def report(self, events: Iterable[Event]) -> None:
        """Tell the core what happened, within a moment."""
        self._reports.add(events)

    async def answer(self, ask: Ask) -> Answer:
        """Answer one request; one with a body is not asked twice."""
        found = await (
            self._asked(lambda number: _frame(number, ask)) if ask.body is None else self._sent(ask, ask.body)
        )
        if isinstance(found, Stored | Filling | Streaming | Reply):
            return found
        raise CoreAway(CONFUSED)

    async def _sent(self, ask: Ask, body: RequestBody) -> Found:
        try:
            link = await self._linked()
        except BaseException:
            os.close(body.fd)
            raise
        try:
            return await link.ask(lambda number: _frame(number, ask), body.fd)
        except Lost:
            raise CoreAway(DIED) from None

    async def leaf(self, name: str) -> Leaf:
        """A certificate; raises ValueError for a name that the CA does not permit, and NotValidNow."""
        match await self._asked(lambda number: LeafWanted(number, name)):
            case LeafGiven(leaf=leaf):
                return leaf
            case NoLeaf(why=why, passing=passing):
                raise NotValidNow(why) if passing else ValueError(why)
            case _:
                raise CoreAway(CONFUSED)

    async def sightings(self, client: str) -> tuple[Sighting, ...]:
        """What happened to this client, what is not reported yet included."""
        self._reports.flush()
        match await self._asked(lambda number: SightingsWanted(number, client)):
            case SightingsGiven(sightings=sightings):
                return sightings
            case _:
                raise CoreAway(CONFUSED)

    async def identify(self, client: str, proof: str) -> ProxyUser | Refuse:
        """Who a client is: asked each time, for nothing of a password is kept here."""
        match await self._asked(lambda number: Identifying(number, client, proof)):
            case Identified(user=user):
                return ProxyUser(user)
            case Refused(status=status, reason=reason):
                return Refuse(status, reason)
            case _:
                raise CoreAway(CONFUSED)

    async def through_parent(self, authority: Authority, client: str, user: str) -> int | Refuse:
        """A socket that leads through the parent proxy, asked for each time."""
        match await self._asked(lambda number: Connecting(number, str(authority), client, user, through=True)):
            case Connection(fd=fd):
                return fd
            case Refused(status=status, reason=reason):
                return Refuse(status, reason)
            case _:
                raise CoreAway(CONFUSED)

    def decided(self, authority: Authority, client: str, user: str) -> ConnectDecision | None:
        """What this client was told, if it was since the policy last changed."""
        key = authority, client, user
        known = self._connects.get(key)
        if known is not None:
            self._connects.move_to_end(key)
        return known

    async def on_connect(self, authority: Authority, client: str, user: str) -> ConnectDecision:
        """Intercept, tunnel or refuse; what this client was told is remembered until the policy changes."""
        known = self.decided(authority, client, user)
        if known is not None:
            return known
        key = authority, client, user
        before = self._forgets
        found = await self._asked(lambda number: Connecting(number, str(authority), client, user))
        decision = _decision(found)
        if before == self._forgets:
            self._connects[key] = decision
            if len(self._connects) > MAX_CONNECTS:
                self._connects.popitem(last=False)
        return decision


def _frame(number: int, ask: Ask) -> Asked:
    body = ask.body
    scheme: Literal["http", "https"] = "https" if ask.scheme == "https" else "http"
    size = None if body is None else body.size
    authority = str(ask.authority)
    has_body, client = body is not None, ask.client
    return Asked(
        number, authority, scheme, ask.method, ask.target, ask.fields, client, has_body, size, ask.user, ask.span
    )


def _decision(found: Found) -> ConnectDecision:
    match found:
        case Intercepted(decision=decision):
            return decision
        case Tunnelled(allow=allow, named=named, parent=parent):
            return Tunnel(tuple(ip_network(text) for text in allow), named, parent, found.connect, found.idle)
        case Refused(status=status, reason=reason):
            return Refuse(status, reason)
        case _:
            raise CoreAway(CONFUSED)
