"""Binding the listening sockets, and knowing by which addresses they are reached: those are never dialled."""

import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.address import Authority, parse_authority

BACKLOG = 1024
_SIOCGIFADDR = 0x8915


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where clients come: in the clear, and to speak TLS with the proxy itself."""

    clear: tuple[socket.socket, ...]
    secured: tuple[socket.socket, ...] = ()

    @classmethod
    def of(cls, clear: Iterable[int], secured: Iterable[int]) -> "Sockets":
        """Those that were bound before, by their descriptors."""
        return cls(*(tuple(socket.socket(fileno=fd) for fd in some) for some in (clear, secured)))

    def __iter__(self) -> Iterator[socket.socket]:
        """All of them."""
        return iter((*self.clear, *self.secured))


def bind(text: str) -> socket.socket:
    """A listening socket for `host:port`; `[::]` is dual-stack. Raises OSError that names the address."""
    authority = parse_authority(text)
    version6 = ":" in authority.host
    listening = socket.socket(socket.AF_INET6 if version6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if version6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(authority.host != "::"))
        # Whatever is accepted inherits it (tcp(7)).
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((authority.host, authority.port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {text}: {error.strerror}; give another address") from error
    return listening


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket that only our own user can open; one that a dead process left is replaced.

    Raises OSError that names the path.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {path}: {error.strerror}; name another by --admin, or off") from error
    return listening


def _answers(path: Path) -> bool:
    """Whether a process listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def bind_all(texts: Iterable[str]) -> list[socket.socket]:
    """Listening sockets for all addresses, or none."""
    bound: list[socket.socket] = []
    try:
        for text in texts:
            bound.append(bind(text))  # noqa: PERF401 -- what is bound so far must be closed on failure
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return bound


def reached_by(sockets: Iterable[socket.socket]) -> frozenset[Authority]:
    """Every address and port that leads to these sockets."""
    found: set[Authority] = set()
    for listening in sockets:
        host, port = listening.getsockname()[:2]
        if ipaddress.ip_address(host).is_unspecified:
            found.update(Authority(address, port) for address in _own_addresses())
        else:
            found.add(Authority(host, port))
    return frozenset(found)


def _own_addresses() -> set[str]:
    """The addresses of this machine's interfaces."""
    found = {"127.0.0.1", "::1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            found.add(socket.inet_ntoa(answer[20:24]))
    table = Path("/proc/net/if_inet6")
    if table.exists():
        for line in table.read_text(encoding="ascii").splitlines():
            found.add(str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))))
    return found
