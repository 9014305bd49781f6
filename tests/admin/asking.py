"""Asking a site over a Unix socket or an address, as programs and browsers do."""

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    place: Path | int, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Said:
    """Send one request to a socket's path, or to a port on loopback."""
    connection = http.client.HTTPConnection("localhost", place if isinstance(place, int) else None, timeout=5)
    if isinstance(place, int):
        connection.sock = socket.create_connection(("127.0.0.1", place), timeout=5)
    else:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(5)
        connection.sock.connect(str(place))
    try:
        connection.request(method, target, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return Said(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()
