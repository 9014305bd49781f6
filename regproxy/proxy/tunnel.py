"""Blind tunnels: resolve once, dial only what the frozen table leaves open, relay bytes both ways."""

import asyncio
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from regproxy.model.address import Authority, Reach
from regproxy.model.answer import CoreAway
from regproxy.model.connect import Refuse, Tunnel
from regproxy.proxy.edge import Edge

CHUNK_BYTES = 64 * 1024
MAX_ADDRESSES = 8


class TunnelRefused(Exception):  # noqa: N818 -- a refusal, not a fault
    """The tunnel is not opened; `status` is for the client, the text for its eyes."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def reached(edge: Edge, authority: Authority, decided: Tunnel, client: str, user: str) -> socket.socket:
    """The other end of a tunnel, as it was decided; raises TunnelRefused."""
    if not decided.parent:
        return await dial(authority, Reach(decided.named, decided.allow, edge.listeners, edge.ipv6), decided.connect)
    try:
        found = await edge.core.through_parent(authority, client, user)
    except CoreAway as error:
        raise TunnelRefused(503, str(error)) from error
    if isinstance(found, Refuse):
        raise TunnelRefused(found.status, found.reason)
    connection = socket.socket(fileno=found)
    connection.setblocking(False)
    return connection


async def dial(authority: Authority, reach: Reach, seconds: float) -> socket.socket:
    """A connection to one of the authority's addresses, vetted before it is dialled; raises TunnelRefused.

    Not more than `seconds` are for the look-up, and for each address.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            # A literal is looked up as what it is, and then refused by that name.
            family = socket.AF_UNSPEC if reach.ipv6 or ":" in authority.host else socket.AF_INET
            found = await loop.getaddrinfo(authority.host, authority.port, family=family, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise TunnelRefused(504, f"regproxy refused {authority.host}: the name look-up took too long") from error
    except OSError as error:
        raise TunnelRefused(502, f"regproxy refused {authority.host}: the name does not resolve") from error
    refused = f"{authority.host}: no address"
    status = 502
    for family, kind, protocol, _, address in found[:MAX_ADDRESSES]:
        reason = reach.refusal(str(address[0]), authority.port)
        if reason is not None:
            refused, status = f"{authority.host}: {reason}; list it in tunnel {{ allow-address }}", 403
            continue
        try:
            return await _connected(socket.socket(family, kind, protocol), address, seconds)
        except OSError as error:
            why = "timed out" if isinstance(error, TimeoutError) else os.strerror(error.errno or 0)
            refused, status = f"{authority.name}: {why}", 504 if isinstance(error, TimeoutError) else 502
    raise TunnelRefused(status, f"regproxy refused {refused}")


async def _connected(connection: socket.socket, address: Any, seconds: float) -> socket.socket:
    """The connection, made within so many seconds, or closed; raises OSError, TimeoutError included."""
    connection.setblocking(False)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


@dataclass(slots=True)
class Traffic:
    """What went through a tunnel: bytes from the client, bytes to it, and when the last ones passed."""

    sent: int = 0
    received: int = 0
    active_at: float = 0.0


async def relay(client: socket.socket, upstream: socket.socket, ahead: bytes, idle: float) -> Traffic:
    """Carry bytes both ways until both sides have ended or nothing passed for `idle` seconds; closes both sockets."""
    traffic = Traffic(active_at=time.monotonic())
    loop = asyncio.get_running_loop()

    async def one_way(source: socket.socket, target: socket.socket, first: bytes, *, outward: bool) -> None:
        chunk = first
        while True:
            if chunk:
                await loop.sock_sendall(target, chunk)
                traffic.active_at = time.monotonic()
                if outward:
                    traffic.sent += len(chunk)
                else:
                    traffic.received += len(chunk)
            chunk = await loop.sock_recv(source, CHUNK_BYTES)
            if not chunk:
                target.shutdown(socket.SHUT_WR)
                return

    ways = {
        asyncio.ensure_future(one_way(client, upstream, ahead, outward=True)),
        asyncio.ensure_future(one_way(upstream, client, b"", outward=False)),
    }
    try:
        pending = ways
        while pending:
            left = traffic.active_at + idle - time.monotonic()
            if left <= 0:
                break
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_EXCEPTION)
            if any(way.exception() is not None for way in done):
                break
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        client.close()
        upstream.close()
    return traffic
