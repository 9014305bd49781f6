"""A load balancer of connections (L4): each goes to a replica by chance, and to another where that one is not there."""

import random
import socket
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from types import TracebackType

_PIECE = 1 << 16


class Balancer:
    """Listens on `port`; `taken` counts the connections of each replica, by its port."""

    def __init__(self, ports: Sequence[int], seed: int) -> None:
        self._dice = random.Random(seed)
        self._ports = tuple(ports)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.taken = dict.fromkeys(ports, 0)
        self._accepting = Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Balancer":
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()

    @property
    def url(self) -> str:
        """What a client's HTTPS_PROXY is set to."""
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            replica = self._connect()
            if replica is None:
                client.close()
                continue
            Thread(target=_carry, args=(client, replica), daemon=True).start()

    def _connect(self) -> socket.socket | None:
        for port in self._dice.sample(self._ports, len(self._ports)):
            with suppress(OSError):
                replica = socket.create_connection(("127.0.0.1", port), timeout=5)
                replica.settimeout(None)
                self.taken[port] += 1
                return replica
        return None


def _carry(client: socket.socket, replica: socket.socket) -> None:
    """Carry bytes both ways until both have ended."""
    with client, replica:
        back = Thread(target=_pump, args=(replica, client), daemon=True)
        back.start()
        _pump(client, replica)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until the end, and tell the other side."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    for each, how in ((source, socket.SHUT_RD), (target, socket.SHUT_WR)):
        with suppress(OSError):
            each.shutdown(how)
