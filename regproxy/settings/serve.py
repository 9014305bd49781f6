"""The settings of `regproxy serve`: addresses, directories and times that need a restart to change."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.address import Network
from regproxy.settings.admin import AdminSettings

DEFAULT_LISTEN = ("[::]:3128",)
DEFAULT_METRICS = "127.0.0.1:9128"
DEFAULT_DRAIN = 8.0
MAX_DEFAULT_WORKERS = 4
NO_ADMIN = AdminSettings()
MAX_WORKERS = 64


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

    `resume`: run the last good policy when the file does not load at start.
    `metrics_aliases`: metrics of Docker Hub's limit have the names of its exporters, too. `otel_endpoint`: a collector.
    With one worker everything is one process. `proxy_protocol_from`: balancers, whose PROXY header is asked for.
    `helper_directory` holds the credential helpers that a policy may name.
    `ipv6`: registries and tunnels are dialled by IPv6, too.
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
    admin: AdminSettings = NO_ADMIN
    workers: int = 1
    listen_tls: tuple[str, ...] = ()
    tls: TlsSettings = TlsSettings("")
    proxy_protocol_from: tuple[Network, ...] = ()
    max_connections: int | None = None
    max_connections_per_client: int | None = None
    ipv6: bool = True
    metrics_aliases: bool = False
    helper_directory: Path | None = None
    otel_endpoint: str | None = None


def default_ipv6(environ: Mapping[str, str]) -> bool:
    """Whether IPv6 is dialled where no flag says so: not with the seed's DISABLE_IPV6=true."""
    return environ.get("DISABLE_IPV6", "").strip().lower() != "true"
