"""The PROXY protocol: a balancer in front of us says where its client comes from, before the client's first byte.

By HAProxy's specification (proxy-protocol.txt, versions 1 and 2). Only what the operator names is believed, and from
there a header must come.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

from regproxy.model.address import Network, client_address

HEADER_SECONDS = 5.0
# The longest line of version 1, and what version 2 may hold here: addresses, and what a balancer adds about TLS.
MAX_LINE = 107
MAX_BLOCK = 2048
_LEAST = 15  # the shortest line of version 1
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_HEAD = 16
_ADDRESSES = {0x11: 4, 0x21: 16}  # TCP over IPv4, over IPv6: bytes of each address


class Balancers:
    """The addresses whose word on a client's address is taken."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def trusts(self, client: str) -> bool:
        """Whether connections from here begin with a header."""
        if not self._networks:
            return False
        address = client_address(client)
        return address is not None and any(address in network for network in self._networks)


async def read_client(connection: socket.socket, balancer: str) -> str:
    """Take the header from a connection that does not block, and no byte more; the client's address.

    A health check of the balancer's own is its own client. Raises ValueError for what is no header, OSError.
    """
    first = await _exactly(connection, _LEAST)
    if first.startswith(_SIGNATURE):
        head = first + await _exactly(connection, _HEAD - _LEAST)
        size = int.from_bytes(head[14:16])
        if size > MAX_BLOCK:
            raise ValueError("the header is too long")
        return _second(head, await _exactly(connection, size), balancer)
    if not first.startswith(b"PROXY "):
        raise ValueError("no header came")
    line = first
    while not line.endswith(b"\r\n"):
        if len(line) >= MAX_LINE:
            raise ValueError("the header is too long")
        # One by one: what follows it is the client's.
        line += await _exactly(connection, 1)
    return _first(line, balancer)


def _first(line: bytes, balancer: str) -> str:
    """Version 1: `PROXY TCP4 CLIENT US PORT PORT`."""
    match line[:-2].split(b" "):
        case [b"PROXY", b"UNKNOWN", *_]:
            return balancer
        case [b"PROXY", b"TCP4" | b"TCP6" as family, client, us, source, target]:
            version = 4 if family == b"TCP4" else 6
            addresses = [ipaddress.ip_address(one.decode("ascii")) for one in (client, us)]
            ports = [one.isdigit() and int(one) < 65536 for one in (source, target)]
            if all(ports) and all(address.version == version for address in addresses):
                return _written(addresses[0].packed)
        case _:
            pass
    raise ValueError("the header is not understood")


def _second(head: bytes, block: bytes, balancer: str) -> str:
    """Version 2, in binary; what stands behind the addresses is passed over."""
    command, family = head[12], head[13]
    if command == 0x20:
        return balancer  # LOCAL
    if command != 0x21:
        raise ValueError("the header is not understood")
    size = _ADDRESSES.get(family)
    if size is None:
        return balancer  # of a kind that has no address
    if len(block) < 2 * size + 4:
        raise ValueError("the header is too short")
    return _written(block[:size])


def _written(packed: bytes) -> str:
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


async def _exactly(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        came = await loop.sock_recv(connection, size - len(data))
        if not came:
            raise ValueError("the connection ended before its header")
        data += came
    return data
