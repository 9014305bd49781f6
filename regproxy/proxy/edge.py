"""What every connection of an edge shares: the core, what it answered before, where content lies, who is connected."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.http1connection import HTTP1ConnectionParameters

from regproxy.model.address import Authority
from regproxy.model.answer import Core, Forget
from regproxy.model.measure import NOBODY, EdgeMeasured, TurnedAway
from regproxy.proxy.crowd import Capacity, Crowd
from regproxy.proxy.files import Disk
from regproxy.proxy.heads import ConnectHeads
from regproxy.proxy.memory import Memory
from regproxy.proxy.sending import TURN_BYTES
from regproxy.proxy.stream import ClientStream
from regproxy.tls.contexts import Contexts

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class Page:
    """A small resource of the proxy's own, served in the clear on its port; `trusted`: what clients have to trust."""

    content_type: str
    body: bytes
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for such a resource: by whom, and by which name they reached the proxy."""

    path: str
    client: str
    host: str
    browser: bool


MANY = Capacity(1 << 20, 1 << 20)


@dataclass(slots=True)
class Edge:
    """One edge's connections; owns the tasks that serve them."""

    core: Core
    contexts: Contexts
    page: Callable[[Visit], Awaitable[Page | None]]
    content_directory: Path
    listeners: frozenset[Authority] = frozenset()
    memory: Memory = field(default_factory=Memory)
    connect_heads: ConnectHeads = field(default_factory=ConnectHeads)
    draining: bool = False
    # Whether exchanges have a place in a trace.
    traced: bool = False
    # Plain numbers, told now and then: requests under way, and handshakes that went well since.
    in_flight: int = 0
    handshakes: int = 0
    # What the door did for want of room since it last told.
    turned_away: TurnedAway = NOBODY
    waits: int = 0
    # How many policies there were: with another one a client is let in anew.
    policies: int = 0
    crowd: Crowd = field(default_factory=lambda: Crowd(MANY))
    # Whether tunnels lead to addresses of IPv6.
    ipv6: bool = True
    disk: Disk = field(default_factory=Disk)
    # Where every stream puts the plaintext of one batch for the length of one call.
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(TURN_BYTES)))
    # In the order in which they came, each with what carries TLS with the proxy around it, where that is.
    streams: dict[ClientStream, asyncio.Task[None] | None] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.core.watch(self._forget)

    def _forget(self, forget: Forget) -> None:
        self.memory.forget(forget)
        if forget.authority is None:
            self.contexts.forget()
            self.connect_heads.forget_users()
            self.policies += 1

    @property
    def parameters(self) -> HTTP1ConnectionParameters:
        """How Tornado parses requests; deadlines are the stream's, so `header_timeout` stays off."""
        return HTTP1ConnectionParameters(
            max_header_size=MAX_HEAD_BYTES, max_body_size=MAX_BODY_BYTES, chunk_size=64 * 1024, header_timeout=None
        )

    def measure(self, process: str) -> EdgeMeasured:
        """What the edge does now."""
        idle = sum(stream.idle for stream in self.streams)
        told = self.handshakes, self.turned_away, self.waits
        self.handshakes, self.turned_away, self.waits = 0, NOBODY, 0
        return EdgeMeasured(process, self.in_flight, len(self.streams) - idle, idle, *told)

    def spawn(self, work: Coroutine[Any, Any, None], stream: ClientStream) -> asyncio.Task[None]:
        """Run work for a connection, which is cut off if the work fails; cancelled when the edge stops."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, stream))
        return task

    def _done(self, task: asyncio.Task[Any], stream: ClientStream) -> None:
        self.tasks.discard(task)
        if task.cancelled():
            stream.abort()
        elif (error := task.exception()) is not None:
            stream.abort()
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection's task failed", "exception": error, "task": task}
            )
