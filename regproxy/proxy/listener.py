"""Accepting clients, and letting them go: stop accepting, close what is idle, give the rest time."""

import asyncio
import errno
import socket
from collections.abc import Sequence

from regproxy.model.measure import EdgeMeasured
from regproxy.proxy.connect import Front
from regproxy.proxy.edge import Edge
from regproxy.proxy.stream import ClientStream

POLL_SECONDS = 0.05
# Without descriptors or memory left, clients wait in the kernel's queue for so long.
EXHAUSTED_SECONDS = 0.1
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """The proxy's listening sockets; owns the accepting, the edge owns the connections."""

    def __init__(self, edge: Edge, sockets: Sequence[socket.socket]) -> None:
        self._edge = edge
        self._sockets = tuple(sockets)

    def start(self) -> None:
        """Accept from now on."""
        for listening in self._sockets:
            self._watch(listening)

    def _watch(self, listening: socket.socket) -> None:
        if not self._edge.draining:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Take one client: whoever else listens on the socket, another edge say, gets a share of the next."""
        try:
            connection, address = listening.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(EXHAUSTED_SECONDS, self._watch, listening)
            return
        self._accepted(connection, address)

    def _accepted(self, connection: socket.socket, address: tuple[str, int]) -> None:
        stream = ClientStream(connection, self._edge.scratch, self._edge.streams.discard)
        self._edge.streams.add(stream)
        Front(self._edge, stream, _client(address)).serve()

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
                    self._edge.streams.discard(stream)
                elif stream.idle:
                    stream.close()
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        for stream in tuple(self._edge.streams):
            stream.abort()
        for task in tuple(self._edge.tasks):
            task.cancel()
        await asyncio.gather(*self._edge.tasks, return_exceptions=True)
        self._edge.disk.close()


def _client(address: tuple[str, int]) -> str:
    """A client's address as policies write it: an IPv4 client of a dual-stack socket is an IPv4 client."""
    return str(address[0]).removeprefix("::ffff:") if address else ""
