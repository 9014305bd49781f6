"""The `tunnel { }` block of a policy: where tunnels may lead, and by which way."""

from dataclasses import dataclass

from regproxy.model.address import Network
from regproxy.model.connect import CONNECT_SECONDS, IDLE_SECONDS
from regproxy.model.registry import ParentProxy


@dataclass(frozen=True, slots=True)
class TunnelRules:
    """Globs over hosts, ports, extra addresses; `any_port` lifts the ports; times in seconds.

    `proxy` is the way out of every tunnel but those to hosts of `no_proxy` and addresses of `no_proxy_address`.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset({443})
    any_port: bool = False
    allow_address: tuple[Network, ...] = ()
    proxy: ParentProxy | None = None
    no_proxy: tuple[str, ...] = ()
    no_proxy_address: tuple[Network, ...] = ()
    connect: float = CONNECT_SECONDS
    idle: float = IDLE_SECONDS
