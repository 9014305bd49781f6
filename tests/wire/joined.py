"""An edge's side and a core's side of the channel in one event loop, with a scripted core behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, BrokenBody, Forget, Reply
from regproxy.model.connect import ConnectDecision, ProxyUser, Refuse
from regproxy.model.event import Event, Labels, Outcome
from regproxy.model.leaf import Leaf, NotValidNow
from regproxy.model.message import Head
from regproxy.model.sighting import Sighting
from regproxy.wire.frames import VERSION, Welcome
from regproxy.wire.remote import RemoteCore
from regproxy.wire.rendezvous import dial, listen
from regproxy.wire.serving import EdgeServer

QUAY = Authority("quay.io", 443)
LABELS = Labels(Outcome.HIT, "quay", "blob", "a/b", "x", "by-digest")
WELCOME = Welcome(VERSION, "/cache", b"pem", "AA:BB", ("127.0.0.1:3128", "[::1]:3128"), "quay.io")


def asked(target: str = "/v2/a/b/manifests/x", method: str = "GET") -> Ask:
    return Ask(QUAY, "https", method, target, (("Accept", "*/*"), ("X", "\xff")), "10.0.0.1")


@dataclass(slots=True)
class Script:
    """A core that answers what it is told to."""

    script: Callable[[Ask], Answer | Awaitable[Answer]] = lambda _: Reply(Head(200), b"hello", LABELS)
    decision: ConnectDecision = field(default_factory=lambda: Refuse(403, "no"))
    led: int | Refuse = field(default_factory=lambda: Refuse(502, "regproxy cannot reach it"))
    asked: list[Ask] = field(default_factory=list)
    connected: list[tuple[Authority, str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    watchers: list[Callable[[Forget], None]] = field(default_factory=list)

    async def identify(self, client: str, proof: str) -> ProxyUser | Refuse:
        return ProxyUser(client) if proof == "right" else Refuse(407, "regproxy: wrong")

    async def on_connect(self, authority: Authority, client: str, user: str) -> ConnectDecision:
        self.connected.append((authority, client, user))
        return self.decision

    def decided(self, authority: Authority, client: str, user: str) -> ConnectDecision | None:
        return self.decision

    async def through_parent(self, authority: Authority, client: str, user: str) -> int | Refuse:
        self.connected.append((authority, client, user))
        return self.led

    async def leaf(self, name: str) -> Leaf:
        if name != "quay.io":
            raise NotValidNow("the CA ended") if name == "late.example" else ValueError(f"no leaf for {name}")
        return Leaf(name, b"pem", 1.0, 3.0, 2.0)

    async def answer(self, ask: Ask) -> Answer:
        self.asked.append(ask)
        found = self.script(ask)
        return await found if isinstance(found, Awaitable) else found

    async def sightings(self, client: str) -> tuple[Sighting, ...]:
        return (Sighting("quay.io", "answered", len(self.events), 1.0, client),)

    def watch(self, forget: Callable[[Forget], None]) -> None:
        self.watchers.append(forget)

    def report(self, events: Iterable[Event]) -> None:
        self.events.extend(events)


class Fill:
    """A fill whose progress a story decides."""

    def __init__(self) -> None:
        self.have = 0
        self.left = 0
        self.whole = False
        self.broken = ""
        self._changed = asyncio.Event()

    def set(self, have: int, *, whole: bool = False, broken: str = "") -> None:
        self.have, self.whole, self.broken = have, whole, broken
        self._changed.set()
        self._changed = asyncio.Event()

    async def beyond(self, offset: int) -> int:
        while self.have <= offset and not self.whole:
            if self.broken:
                raise BrokenBody(self.broken)
            await self._changed.wait()
        return self.have

    def leave(self) -> None:
        self.left += 1


@dataclass(slots=True)
class Joined:
    """Both sides; `restart` is the death of one core and the start of the next."""

    core: Script
    edge: RemoteCore
    server: EdgeServer
    forgotten: list[Forget]
    listening: Any

    def die(self) -> None:
        """The core ends, as its process would."""
        for each in tuple(self.server._edges):
            each.channel.close()
        asyncio.get_running_loop().remove_reader(self.listening)

    def restart(self) -> None:
        """Another core on the same socket."""
        self.server = EdgeServer(self.core, self.listening, WELCOME)
        self.server.start()


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Give the loop turns until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def joined() -> AsyncIterator[Joined]:
    """An edge that is connected to a core."""
    listening, file = listen()
    core = Script()
    server = EdgeServer(core, listening, WELCOME)
    edge = RemoteCore(lambda: dial(file))
    forgotten: list[Forget] = []
    edge.watch(forgotten.append)
    running = asyncio.get_running_loop().create_task(edge.run())
    both = Joined(core, edge, server, forgotten, listening)
    server.start()
    await edge.welcome()
    try:
        yield both
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await both.server.drain(0)
        await asyncio.sleep(0)


def told(story: Callable[[Joined], Coroutine[Any, Any, None]]) -> None:
    """Run a story with both sides."""

    async def run() -> None:
        async with joined() as both:
            await story(both)

    asyncio.run(run())
