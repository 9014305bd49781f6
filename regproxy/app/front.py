"""What stands before the core: an edge in the same process, or the channel to those that are processes of their own."""

import socket
from collections.abc import Callable, Iterable
from typing import Protocol

from regproxy.app.edge import make_listener
from regproxy.app.handed import Handed, say_ready
from regproxy.app.listeners import Sockets
from regproxy.model.answer import Core
from regproxy.model.measure import EdgeMeasured
from regproxy.proxy.listener import Listener
from regproxy.wire.frames import Welcome
from regproxy.wire.serving import EdgeServer

# Edges drain for as long as they may, and then have something left to say.
GRACE_SECONDS = 3.0


class Front(Protocol):
    """How clients reach the core."""

    def start(self) -> None:
        """Serve from now on."""
        ...

    def lacks(self) -> str | None:
        """Why no client could be served, or None."""
        ...

    def measure(self) -> Iterable[EdgeMeasured]:
        """What the edge of this process does now, if it has one."""
        ...

    def renew(self) -> None:
        """What edges are welcomed with has changed."""
        ...

    async def drain(self, seconds: float) -> None:
        """Take nothing new, give what is under way so long, then end it; may be called again."""
        ...


class OwnEdge:
    """One process: the edge is handed the core itself."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def start(self) -> None:
        """Accept clients."""
        self._listener.start()

    def lacks(self) -> str | None:
        """Nothing: whoever runs this accepts."""
        return None

    def measure(self) -> Iterable[EdgeMeasured]:
        """The one."""
        return (self._listener.measure("core"),)

    def renew(self) -> None:
        """Nothing to do: the edge reads the welcome whenever it needs it."""

    async def drain(self, seconds: float) -> None:
        """Drain the edge."""
        await self._listener.drain(seconds)


class Edges:
    """The core's process: edges connect."""

    def __init__(self, server: EdgeServer, welcome: Callable[[], Welcome], handed: Handed) -> None:
        self._server = server
        self._welcome = welcome
        self._handed = handed

    def start(self) -> None:
        """Accept edges."""
        self._server.start()
        say_ready(self._handed)

    def lacks(self) -> str | None:
        """An edge, at first and when all have died."""
        return None if self._server.edges else "no edge is connected"

    def measure(self) -> Iterable[EdgeMeasured]:
        """None: edges tell of themselves."""
        return ()

    def renew(self) -> None:
        """Tell them."""
        self._server.renew(self._welcome())

    async def drain(self, seconds: float) -> None:
        """Wait for the edges, which the parent has told to drain."""
        await self._server.drain(seconds + GRACE_SECONDS if seconds else 0)


def front(core: Core, welcome: Callable[[], Welcome], sockets: Sockets, handed: Handed | None) -> Front:
    """The front that fits how this process was started; `sockets` listen for clients."""
    if handed is None:
        return OwnEdge(make_listener(core, welcome, sockets))
    # Clients are the edges' business; the sockets were only needed to know what is ours.
    for listening in sockets:
        listening.close()
    return Edges(EdgeServer(core, socket.socket(fileno=handed.wire), welcome()), welcome, handed)
