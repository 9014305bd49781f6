"""The core's side: edges connect, ask, and get what `model.Core` answers; all that an edge held ends with it."""

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Callable

from regproxy.model.answer import Core, Forget
from regproxy.model.measure import ProcessEnded
from regproxy.wire.asked import Asks
from regproxy.wire.channel import Channel, FrameError
from regproxy.wire.frames import (
    VERSION,
    Asked,
    Connecting,
    Forgotten,
    FromEdge,
    Gone,
    Happened,
    Hello,
    Identifying,
    LeafWanted,
    SightingsWanted,
    Welcome,
)
from regproxy.wire.plausible import plausible

MAX_EDGES = 64
# What metrics call them; one that is free is taken again.
NAMES = tuple(f"edge-{number}" for number in range(1, MAX_EDGES + 1))
POLL_SECONDS = 0.05
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class EdgeServer:
    """Accepts edges on a listening SOCK_SEQPACKET socket; `welcome` is what each is told first."""

    def __init__(self, core: Core, listening: socket.socket, welcome: Welcome) -> None:
        listening.setblocking(False)
        self._core = core
        self._listening = listening
        self._welcome = welcome
        self._edges: set[_Edge] = set()
        core.watch(self._forget)

    @property
    def edges(self) -> int:
        """How many edges have said hello and are there."""
        return sum(edge.greeted for edge in self._edges)

    def start(self) -> None:
        """Accept from now on."""
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        if len(self._edges) >= MAX_EDGES or _peer(connection) != os.geteuid():
            connection.close()
            return
        name = next(name for name in NAMES if name not in {edge.name for edge in self._edges})
        self._edges.add(_Edge(self._core, connection, self._welcome, name, self._edges.discard))

    def renew(self, welcome: Welcome) -> None:
        """Welcome every edge anew: something of it has changed."""
        self._welcome = welcome
        for edge in tuple(self._edges):
            edge.renew(welcome)

    def _forget(self, forget: Forget) -> None:
        frame = Forgotten(str(forget.authority or ""), forget.repository)
        for edge in tuple(self._edges):
            edge.channel.send(frame)

    async def drain(self, seconds: float) -> None:
        """Wait, at most `seconds`, until every edge has gone by itself, then let go of the rest; may be repeated."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._edges and loop.time() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        if self._listening.fileno() >= 0:
            loop.remove_reader(self._listening)
            self._listening.close()
        for edge in tuple(self._edges):
            edge.channel.close()


class _Edge:
    """One edge that is connected."""

    def __init__(
        self, core: Core, connection: socket.socket, welcome: Welcome, name: str, closed: Callable[["_Edge"], None]
    ) -> None:
        self._core = core
        self._welcome = welcome
        self._gone = closed
        self.name = name
        self.greeted = False
        self.channel: Channel[FromEdge] = Channel(connection, FromEdge, self._received, self._closed)
        self._asks = Asks(core, self.channel.send)

    def renew(self, welcome: Welcome) -> None:
        """Say so to the edge, or later when it says hello."""
        self._welcome = welcome
        if self.greeted:
            self.channel.send(welcome)

    def _closed(self) -> None:
        self._asks.close()
        self._gone(self)
        self._core.report([ProcessEnded(self.name)])

    def _received(self, frame: FromEdge, fd: int | None) -> None:
        """Act on a frame; raises FrameError for one that no edge of ours sends."""
        if fd is not None and not (isinstance(frame, Asked) and frame.body and stat.S_ISSOCK(os.fstat(fd).st_mode)):
            os.close(fd)
            raise FrameError("a descriptor that belongs to nothing")
        match frame:
            case Hello(version=version):
                if version != VERSION:
                    raise FrameError(f"an edge that speaks version {version}, not {VERSION}")
                self.greeted = True
                self.channel.send(self._welcome)
            case _ if not self.greeted:
                if fd is not None:
                    os.close(fd)
                raise FrameError("an edge that does not say hello")
            case Asked():
                self._asks.ask(frame, fd)
            case Identifying() | Connecting() | LeafWanted() | SightingsWanted():
                self._asks.learn(frame)
            case Gone(id=number):
                self._asks.gone(number)
            case Happened():
                self._core.report(plausible(frame, self.name))
            case _:
                raise FrameError("an unknown frame")


def _peer(connection: socket.socket) -> int | None:
    """The user at the other end (unix(7), SO_PEERCRED)."""
    with contextlib.suppress(OSError):
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(packed)[1])
    return None
