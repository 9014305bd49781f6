"""What a CONNECT leads to: the table an edge keeps, plain data without patterns to compile or secrets to lose."""

from dataclasses import dataclass

from regproxy.model.address import Authority, Network


@dataclass(frozen=True, slots=True)
class Intercept:
    """End TLS here; `authority` is the name after aliases, the identity of every request inside."""

    authority: Authority
    registry: str
    scheme: str


# How long a tunnel waits for its other end, and how long it lives without a byte, where the policy does not say.
CONNECT_SECONDS, IDLE_SECONDS = 5.0, 600.0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Relay bytes blindly, to addresses that the frozen table leaves open plus `allow`; times in seconds.

    `parent`: through a proxy that the policy names, which the core alone knows; it makes the connection.
    `connect` bounds the look-up of the name, and the way to each address; `idle` is without a byte either way.
    """

    allow: tuple[Network, ...]
    named: bool
    parent: bool = False
    connect: float = CONNECT_SECONDS
    idle: float = IDLE_SECONDS


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer `status` with `reason` as the reason phrase: printable ASCII, clients show it."""

    status: int
    reason: str


ConnectDecision = Intercept | Tunnel | Refuse


@dataclass(frozen=True, slots=True)
class ProxyUser:
    """The user of the proxy that a client proved to be; without a name, nobody."""

    name: str = ""
