"""Sockets that systemd listens on for us, so that no connection is refused while we start (sd_listen_fds(3))."""

import os
import socket
from collections.abc import Mapping

FIRST = 3
MAX_SOCKETS = 64
METRICS = "metrics"


def activated(environ: Mapping[str, str]) -> tuple[list[socket.socket], list[socket.socket]]:
    """Those for the proxy, and those that are named `metrics`; both empty where none were handed to this process.

    Raises OSError for a descriptor that is no listening stream socket.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return [], []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    proxy: list[socket.socket] = []
    metrics: list[socket.socket] = []
    for number in range(min(int(count), MAX_SOCKETS)):
        name = names[number] if number < len(names) else ""
        (metrics if name == METRICS else proxy).append(_listening(FIRST + number, name))
    return proxy, metrics


def _listening(fd: int, name: str) -> socket.socket:
    found = socket.socket(fileno=fd)
    if found.type != socket.SOCK_STREAM or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()
        raise OSError(
            f"socket {name or fd}, which systemd handed over, does not listen for streams; see its .socket unit"
        )
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.setblocking(False)
    os.set_inheritable(fd, False)
    return found
