"""How a registry is reached: the patience that its block asks for, and the TLS that it wants; times in seconds."""

from dataclasses import dataclass
from typing import Literal

from regproxy.model.secret import Secret

TlsVersion = Literal["1.2", "1.3"]

MIN_TIMEOUT, MAX_TIMEOUT = 0.1, 3600.0
MAX_RETRIES = 5
MAX_CONNECTIONS = 128


@dataclass(frozen=True, slots=True)
class Timeouts:
    """What a block says of waiting; None leaves the proxy's own bound.

    `connect` covers name look-up, TCP and TLS; `first_byte` the wait for an answer; `idle` a body that hardly moves.
    """

    connect: float | None = None
    first_byte: float | None = None
    idle: float | None = None


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Who we are to a registry that asks by TLS: a chain of certificates and its key, both PEM."""

    chain: Secret
    key: Secret


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """TLS to all hosts of a block, redirects included; the client certificate is for registries and token hosts."""

    verify: bool = True
    min_version: TlsVersion = "1.2"
    client: ClientCertificate | None = None
