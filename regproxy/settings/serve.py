"""The settings of `regproxy serve`: addresses, directories and times that need a restart to change."""

import os
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.address import Network

DEFAULT_LISTEN = ("[::]:3128",)
DEFAULT_METRICS = "127.0.0.1:9128"
DEFAULT_DRAIN = 8.0
MAX_DEFAULT_WORKERS = 4
MAX_WORKERS = 64
ADMIN_SOCKET = "admin.sock"
MAX_SOCKET_PATH = 107  # unix(7)


def default_workers() -> int:
    """One edge for each CPU that this process may use, up to four."""
    return min(MAX_DEFAULT_WORKERS, len(os.sched_getaffinity(0)))


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What clients of `--listen-tls` see: the proxy's `name`, in a leaf of the CA or in the operator's certificate."""

    name: str
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What the flags of `serve` say; `drain` in seconds, `policy` None: the packaged one, or what the seed's say.

    `resume`: run the last good policy when the file does not load at start; `admin`: the path of the admin socket.
    With one worker everything is one process. `proxy_protocol_from`: balancers, whose PROXY header is asked for.
    """

    policy: Path | None
    cache_directory: Path
    ca_directory: Path
    ca_permits: tuple[str, ...] = ()
    ca_passphrase_file: Path | None = None
    listen: tuple[str, ...] = DEFAULT_LISTEN
    metrics: str = DEFAULT_METRICS
    drain: float = DEFAULT_DRAIN
    resume: bool = False
    admin: Path | None = None
    workers: int = 1
    listen_tls: tuple[str, ...] = ()
    tls: TlsSettings = TlsSettings("")
    proxy_protocol_from: tuple[Network, ...] = ()
    max_connections: int | None = None
    max_connections_per_client: int | None = None


def admin_socket(text: str | None, cache_directory: Path) -> Path | None:
    """What `--admin` says: `unix:PATH`, or `off`; the default lies in the cache directory. Raises ValueError."""
    if text == "off":
        return None
    path = cache_directory / ADMIN_SOCKET if text is None else Path(text.removeprefix("unix:"))
    if text is not None and (not text.startswith("unix:") or not path.is_absolute()):
        raise ValueError(f"--admin {text!r} is neither unix:/an/absolute/path nor off")
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise ValueError(f"{path} is too long for a socket, which has {MAX_SOCKET_PATH} bytes; name another by --admin")
    return path
