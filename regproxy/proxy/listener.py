"""Accepting clients, as many as there is room for, and letting them go."""

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from regproxy.model.answer import CoreAway
from regproxy.model.event import ConnectFinished, HandshakeFailed
from regproxy.model.leaf import NotValidNow
from regproxy.model.measure import EdgeMeasured
from regproxy.model.message import printable
from regproxy.proxy.balancer import HEADER_SECONDS, Balancers, read_client
from regproxy.proxy.connect import Front
from regproxy.proxy.edge import Edge
from regproxy.proxy.files import EXHAUSTED
from regproxy.proxy.outer import carry
from regproxy.proxy.session import handshake_cause
from regproxy.proxy.stream import ClientStream

POLL_SECONDS = 0.05
# What part of all connections is let go at once where there is no room.
IDLE_SHARE = 8
TOO_MANY = (
    b"HTTP/1.1 503 regproxy: too many connections from this address\r\n"
    b"Connection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
)
# Connections whose balancer has not said for whom they are, or for which no certificate is here yet.
MAX_PREPARING = 1024
# Without descriptors, memory or room left, clients wait in the kernel's queue for so long.
EXHAUSTED_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Doors:
    """The listening sockets; `secured` are those where clients speak TLS with the proxy, whose name is `name`."""

    clear: Sequence[socket.socket]
    secured: Sequence[socket.socket] = ()
    name: str = ""
    balancers: Balancers = field(default_factory=Balancers)


class Listener:
    """Accepts at the proxy's doors; owns the accepting, the edge owns the connections."""

    def __init__(self, edge: Edge, doors: Doors) -> None:
        self._edge = edge
        self._doors = doors
        self._sockets = (*doors.clear, *doors.secured)
        self._preparing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Accept from now on."""
        for listening in self._sockets:
            self._watch(listening)

    def _watch(self, listening: socket.socket) -> None:
        if not self._edge.draining:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _pause(self, listening: socket.socket) -> None:
        """Look again in a moment: whoever comes waits in the kernel's queue."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(EXHAUSTED_SECONDS, self._watch, listening)

    def _make_room(self) -> None:
        """Close some that wait for a request of which no byte has come, the oldest first: clients expect that."""
        idle = (each for each in tuple(self._edge.streams.items()) if each[0].idle)
        for stream, carrying in itertools.islice(idle, max(1, self._edge.crowd.capacity.total // IDLE_SHARE)):
            stream.close()
            if carrying is not None:
                carrying.cancel()  # Else its place is held until the client has said goodbye, too.
            self._edge.turned_away = replace(self._edge.turned_away, idle=self._edge.turned_away.idle + 1)

    def _accept(self, listening: socket.socket) -> None:
        """Take one client: whoever else listens on the socket, another edge say, gets a share of the next."""
        if self._edge.crowd.full:
            self._make_room()
        if self._edge.crowd.full:
            self._edge.waits += 1
            self._pause(listening)
            return
        try:
            connection, address = listening.accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._pause(listening)
            return
        self._accepted(connection, _client(address), secured=listening in self._doors.secured)

    def _accepted(self, connection: socket.socket, peer: str, *, secured: bool) -> None:
        if not secured and not self._doors.balancers.trusts(peer):
            self._serve(connection, peer)
        elif len(self._preparing) >= MAX_PREPARING:
            connection.close()
            self._edge.turned_away = replace(self._edge.turned_away, preparing=self._edge.turned_away.preparing + 1)
        else:
            connection.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._prepare(connection, peer, secured=secured))
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    async def _prepare(self, connection: socket.socket, peer: str, *, secured: bool) -> None:
        """Learn for whom a balancer's connection is, and get the certificate for one that speaks TLS."""
        client, context = peer, None
        try:
            if self._doors.balancers.trusts(peer):
                async with asyncio.timeout(HEADER_SECONDS):
                    client = await read_client(connection, peer)
            if secured:
                context = await self._edge.contexts.context(self._doors.name)
        except (ValueError, OSError, CoreAway, NotValidNow) as error:
            connection.close()
            why = printable(f"regproxy refused a connection of {peer}: {str(error) or 'its header took too long'}")
            self._edge.core.report([ConnectFinished(client, "", "refuse", 400, why)])
            return
        except BaseException:
            connection.close()
            raise
        self._serve(connection, client, context)

    def _serve(self, connection: socket.socket, client: str, context: ssl.SSLContext | None = None) -> None:
        """Serve a client; with a context, what is inside its TLS."""
        edge, inside = self._edge, connection
        if not edge.crowd.fits(client):
            _turn_away(connection, clear=context is None)
            edge.turned_away = replace(edge.turned_away, address=edge.turned_away.address + 1, last=client)
            return
        if context is not None:
            try:
                inside, outside = socket.socketpair()
            except OSError:
                connection.close()
                return

        def over(stream: ClientStream) -> None:
            edge.streams.pop(stream, None)
            if not stream.secured:
                edge.crowd.left(client)

        stream = ClientStream(inside, edge.scratch, over)
        edge.streams[stream] = None
        edge.crowd.came(client)
        if context is not None:
            stream.secured = True
            outside.setblocking(False)
            # The TLS around it may outlive what is inside, and is the connection.
            carrying = edge.spawn(self._carry(connection, outside, context, client), stream)
            carrying.add_done_callback(lambda _: edge.crowd.left(client))
            edge.streams[stream] = carrying
        Front(self._edge, stream, client).serve()

    async def _carry(
        self, connection: socket.socket, outside: socket.socket, context: ssl.SSLContext, client: str
    ) -> None:
        try:
            await carry(connection, outside, context)
        except OSError as error:
            cause = handshake_cause(error) if isinstance(error, ssl.SSLError) else "closed"
            self._edge.core.report([HandshakeFailed(client, self._doors.name, cause)])

    def measure(self, process: str) -> EdgeMeasured:
        """What the edge does now."""
        return self._edge.measure(process)

    async def drain(self, seconds: float) -> None:
        """Stop accepting, close idle connections, wait for the others at most `seconds`, then cut them off."""
        self._edge.draining = True
        for listening in self._sockets:
            if listening.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(listening)
                listening.close()
        deadline = asyncio.get_running_loop().time() + seconds
        while self._edge.streams or self._edge.tasks:
            for stream in tuple(self._edge.streams):
                if stream.closed():
                    self._edge.streams.pop(stream, None)
                elif stream.idle:
                    stream.close()
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        for stream in tuple(self._edge.streams):
            stream.abort()
        for task in (*self._edge.tasks, *self._preparing):
            task.cancel()
        await asyncio.gather(*self._edge.tasks, *self._preparing, return_exceptions=True)
        self._edge.disk.close()


def _turn_away(connection: socket.socket, *, clear: bool) -> None:
    """Say why, unless that would take TLS, without waiting for a request: it would hold what there is too little of."""
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        if clear:
            connection.send(TOO_MANY)


def _client(address: tuple[str, int]) -> str:
    """A client's address as policies write it: an IPv4 client of a dual-stack socket is an IPv4 client."""
    return str(address[0]).removeprefix("::ffff:") if address else ""
