"""What a CONNECT leads to: the table an edge keeps, plain data without patterns to compile or secrets to lose."""

from dataclasses import dataclass

from regproxy.model.address import Authority, Network


@dataclass(frozen=True, slots=True)
class Intercept:
    """End TLS here; `authority` is the name after aliases, the identity of every request inside."""

    authority: Authority
    registry: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Relay bytes blindly, to addresses that the frozen table leaves open plus `allow`."""

    allow: tuple[Network, ...]
    named: bool


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


@dataclass(frozen=True, slots=True)
class TunnelRules:
    """The `tunnel { }` block: globs over hosts, ports, extra addresses; `any_port` lifts the ports."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset({443})
    any_port: bool = False
    allow_address: tuple[Network, ...] = ()
