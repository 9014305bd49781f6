"""An edge on loopback whose core is a script: what the proxy's stories are told with."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regproxy.app.listeners import bind, reached_by
from regproxy.app.pages import Pages
from regproxy.model.access import WRONG
from regproxy.model.address import Authority, Network
from regproxy.model.answer import Answer, Ask, Forget, Reply
from regproxy.model.connect import ConnectDecision, Intercept, ProxyUser, Refuse
from regproxy.model.event import Event, Labels, Outcome
from regproxy.model.leaf import Leaf
from regproxy.model.message import Head
from regproxy.model.sighting import Sighting
from regproxy.proxy.balancer import Balancers
from regproxy.proxy.edge import Edge
from regproxy.proxy.listener import Doors, Listener
from regproxy.telemetry.sightings import Sightings
from regproxy.tls.authority import CertificateAuthority, create
from regproxy.tls.contexts import Contexts
from tests.lab.processes import free_port

INTERCEPTED = Intercept(Authority("quay.io", 443), "quay", "https")
KNOWN = (Authority("quay.io", 443), Authority("alias.example", 443))
LABELS = Labels(Outcome.HIT, "quay", "blob", "a/b", "x", "by-digest")


def hello(_: Ask) -> Answer:
    """A small answer."""
    return Reply(Head(200, (("Content-Type", "text/plain"), ("ETag", '"h"'))), b"hello", LABELS)


@dataclass(slots=True)
class ScriptedCore:
    """A core that intercepts quay.io and answers what it is told to."""

    script: Callable[[Ask], Answer | Awaitable[Answer]] = hello
    decisions: dict[Authority, ConnectDecision] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    kept_out: set[str] = field(default_factory=set)
    identified: list[str] = field(default_factory=list)
    identifying: Callable[[str], None] = lambda _: None
    led: int | Refuse = field(default_factory=lambda: Refuse(502, "regproxy cannot reach it"))
    led_for: list[tuple[Authority, str, str]] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    ca: CertificateAuthority | None = None
    watchers: list[Callable[[Forget], None]] = field(default_factory=list)

    async def identify(self, client: str, proof: str) -> ProxyUser | Refuse:
        """As scripted; other proofs are wrong."""
        self.identified.append(proof)
        self.identifying(proof)
        return ProxyUser(self.users[proof]) if proof in self.users else Refuse(407, WRONG)

    async def on_connect(self, authority: Authority, client: str, user: str) -> ConnectDecision:
        """As scripted; quay.io is intercepted, anything else refused."""
        if user in self.kept_out:
            return Refuse(403, f"regproxy refused {user or client}: not in the script")
        if authority in self.decisions:
            return self.decisions[authority]
        if authority.host in ("quay.io", "alias.example"):
            return INTERCEPTED
        return Refuse(403, f"regproxy refused {authority.name}: not in the script")

    def decided(self, authority: Authority, client: str, user: str) -> ConnectDecision | None:
        """As scripted: only what is intercepted is known at once."""
        if user in self.kept_out:
            return None
        known = self.decisions.get(authority, INTERCEPTED if authority in KNOWN else None)
        return known if isinstance(known, Intercept) else None

    async def through_parent(self, authority: Authority, client: str, user: str) -> int | Refuse:
        """As scripted: the other end of what is put there."""
        self.led_for.append((authority, client, user))
        return self.led

    async def answer(self, ask: Ask) -> Answer:
        """As scripted."""
        self.asked.append(ask)
        found = self.script(ask)
        return await found if isinstance(found, Awaitable) else found

    async def leaf(self, name: str) -> Leaf:
        """From the test's own CA."""
        assert self.ca is not None
        return self.ca.issue(name, time.time())

    async def sightings(self, client: str) -> tuple[Sighting, ...]:
        """What was reported."""
        noted = Sightings(time.time)
        for event in self.events:
            noted.observe(event)
        return noted.of(client)

    def watch(self, forget: Callable[[Forget], None]) -> None:
        """Keep them."""
        self.watchers.append(forget)

    def report(self, events: Iterable[Event]) -> None:
        """Keep them."""
        self.events.extend(events)


@dataclass(slots=True)
class Serving:
    """The edge, its core, and how to reach it."""

    core: ScriptedCore
    edge: Edge
    listener: Listener
    port: int
    ca_file: Path
    secured_port: int


@asynccontextmanager
async def serving(directory: Path, balancers: Sequence[Network] = ()) -> AsyncIterator[Serving]:
    """A listening edge with a CA of its own; inside TLS it is called quay.io, too."""
    ca = create(directory / "ca", ["quay.io", "alias.example"], time.time())
    core = ScriptedCore(ca=ca)
    port = free_port()
    listening, secured = bind(f"127.0.0.1:{port}"), bind(f"127.0.0.1:{free_port()}")
    pages = Pages(lambda: ca.pem, lambda: ca.fingerprint, lambda: "quay.io", core.sightings)
    content = directory / "content"
    edge = Edge(core, Contexts(core.leaf, time.time), pages.page, content, reached_by([listening]))
    listener = Listener(edge, Doors([listening], [secured], "quay.io", Balancers(balancers)))
    listener.start()
    try:
        yield Serving(core, edge, listener, port, directory / "ca" / "ca.crt", secured.getsockname()[1])
    finally:
        await listener.drain(0)


def told(
    story: Callable[[Serving], Coroutine[Any, Any, None]], directory: Path, balancers: Sequence[Network] = ()
) -> None:
    """Run a story against an edge of its own."""

    async def run() -> None:
        async with serving(directory, balancers) as running:
            await story(running)

    asyncio.run(run())
