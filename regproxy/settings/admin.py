"""Where the running proxy is administered: a Unix socket, and addresses at which a token is asked for."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.address import canonical_host, parse_authority

ADMIN_SOCKET = "admin.sock"
MAX_SOCKET_PATH = 107  # unix(7)


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """`socket` is its path; `addresses` are host:port; `names`: what the proxy is called there as well."""

    socket: Path | None = None
    addresses: tuple[str, ...] = ()
    token_file: Path | None = None
    names: tuple[str, ...] = ()


def admin_settings(
    texts: Iterable[str], token_file: Path | None, names: Iterable[str], cache_directory: Path
) -> AdminSettings:
    """What `--admin`, repeated, `--admin-token-file` and `--admin-name` say together; raises ValueError."""
    sockets, addresses = told_apart(texts)
    if len(sockets) > 1:
        raise ValueError(f"--admin says {' and '.join(sockets)}; give one of them")
    for address in addresses:
        parse_authority(address)
    if addresses and token_file is None:
        raise ValueError(f"--admin {addresses[0]} needs a token that callers must know; give --admin-token-file FILE")
    socket = admin_socket(sockets[0] if sockets else None, cache_directory)
    return AdminSettings(socket, addresses, token_file, tuple(map(canonical_host, names)))


def told_apart(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is meant for the socket, and the addresses."""
    given = tuple(texts)
    sockets = tuple(text for text in given if text == "off" or text.startswith("unix:"))
    return sockets, tuple(text for text in given if text not in sockets)


def admin_socket(text: str | None, cache_directory: Path) -> Path | None:
    """The socket of `unix:PATH`, none for `off`; the default lies in the cache directory. Raises ValueError."""
    if text == "off":
        return None
    path = cache_directory / ADMIN_SOCKET if text is None else Path(text.removeprefix("unix:"))
    if text is not None and (not text.startswith("unix:") or not path.is_absolute()):
        raise ValueError(f"--admin {text!r} is neither unix:/an/absolute/path nor off")
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise ValueError(f"{path} is too long for a socket, which has {MAX_SOCKET_PATH} bytes; name another by --admin")
    return path
