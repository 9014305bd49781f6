"""Connections through a parent proxy, by CONNECT (RFC 9110 section 9.3.6); from then on they are whoever asked's."""

import asyncio
import os
import re
import socket
from typing import Any

from regproxy.model.address import Authority, Network, Reach
from regproxy.model.message import printable
from regproxy.model.registry import ParentProxy
from regproxy.upstream.options import USER_AGENT

# More than so many wait for a turn, within their own time.
MAX_AT_ONCE = 256
MAX_HEAD = 16 * 1024
MAX_ADDRESSES = 8
_END = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: ([^\r\n]*))?\r\n")


class Parents:
    """Owns how many connections are being made; `listeners` are our own doors, through which no way leads."""

    def __init__(self, listeners: frozenset[Authority], *, ipv6: bool = True) -> None:
        self._listeners = listeners
        self._ipv6 = ipv6
        self._turn = asyncio.Semaphore(MAX_AT_ONCE)

    async def connect(
        self, parent: ParentProxy, authority: Authority, allow: tuple[Network, ...], seconds: float
    ) -> socket.socket:
        """A socket that leads to this authority, not a byte of it read; `allow` opens addresses of the proxy itself.

        Raises OSError, a sentence, TimeoutError among them: the proxy's answer is waited for as well.
        """
        reach = Reach(True, allow, self._listeners, self._ipv6)
        try:
            async with asyncio.timeout(seconds), self._turn:
                connection = await _dial(parent.authority, reach)
                try:
                    await _ask(connection, parent, authority)
                except BaseException:
                    connection.close()
                    raise
                return connection
        except TimeoutError:
            raise TimeoutError(f"the parent proxy did not connect to it within {seconds:g} s") from None


async def _dial(authority: Authority, reach: Reach) -> socket.socket:
    loop = asyncio.get_running_loop()
    family = socket.AF_UNSPEC if reach.ipv6 else socket.AF_INET
    try:
        found = await loop.getaddrinfo(authority.host, authority.port, family=family, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectionError("the name of the parent proxy does not resolve") from error
    why = "it has no address"
    for kind, form, protocol, _, address in found[:MAX_ADDRESSES]:
        refused = reach.refusal(str(address[0]), authority.port)
        if refused is not None:
            why = f"{refused}; list it in allow-address where the proxy is named"
            continue
        try:
            return await _connected(socket.socket(kind, form, protocol), address)
        except OSError as error:
            why = os.strerror(error.errno or 0)
    raise ConnectionError(f"the parent proxy cannot be reached: {why}")


async def _connected(connection: socket.socket, address: Any) -> socket.socket:
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


async def _ask(connection: socket.socket, parent: ParentProxy, authority: Authority) -> None:
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", f"User-Agent: {USER_AGENT}"]
    if parent.authorization:
        lines.append(f"Proxy-Authorization: {parent.authorization}")
    await asyncio.get_running_loop().sock_sendall(connection, "\r\n".join([*lines, "", ""]).encode("ascii"))
    answer = _STATUS_LINE.match(await _head(connection))
    if answer is None:
        raise ConnectionError("the parent proxy answered something that is no HTTP")
    status, reason = answer[1].decode(), printable((answer[2] or b"").decode("latin-1"), 60)
    if not status.startswith("2"):
        raise ConnectionRefusedError(f"the parent proxy answered {status} {reason}".rstrip())


async def _head(connection: socket.socket) -> bytes:
    """The head of the answer and not a byte more: what follows belongs to the tunnel, and is read elsewhere."""
    head = b""
    while not head.endswith(_END):
        await _readable(connection)
        seen = connection.recv(MAX_HEAD, socket.MSG_PEEK)
        if not seen:
            raise ConnectionResetError("the parent proxy closed the connection without an answer")
        # The end may have begun in what was read before.
        last = head[1 - len(_END) :]
        found = (last + seen).find(_END)
        head += connection.recv(len(seen) if found < 0 else found + len(_END) - len(last))
        if len(head) > MAX_HEAD:
            raise ConnectionError("the parent proxy's answer has a head without end")
    return head


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def came() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection, came)
    try:
        await ready
    finally:
        loop.remove_reader(connection)
