"""What a CONNECT leads to: intercept what a block names, tunnel what the rules allow, refuse the rest with a reason."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from regproxy.model.address import Authority, Network, Reach
from regproxy.model.connect import ConnectDecision, Intercept, Refuse, Tunnel
from regproxy.model.message import printable
from regproxy.model.registry import ParentProxy, Registry
from regproxy.model.tunnel import TunnelRules
from regproxy.policy.pattern import Anchor, Pattern, compile_glob

MAX_REASON = 200


@dataclass(frozen=True, eq=False)
class ConnectTable:
    """The registries and the tunnel rules of one policy, indexed by host."""

    registries: tuple[Registry, ...]
    tunnel: TunnelRules

    @cached_property
    def _exact(self) -> Mapping[Authority, Registry]:
        named = {}
        for registry in self.registries:
            for pattern in registry.hosts:
                if not pattern.wildcard:
                    named[Authority(pattern.host, pattern.port)] = registry
            named.update(dict.fromkeys(registry.aliases, registry))
        return named

    @cached_property
    def _wild(self) -> Mapping[Authority, Registry]:
        return {
            Authority(pattern.host, pattern.port): registry
            for registry in self.registries
            for pattern in registry.hosts
            if pattern.wildcard
        }

    @cached_property
    def _allow(self) -> tuple[Pattern, ...]:
        return tuple(compile_glob(glob, Anchor.HOST) for glob in self.tunnel.allow)

    @cached_property
    def _deny(self) -> tuple[Pattern, ...]:
        return tuple(compile_glob(glob, Anchor.HOST) for glob in self.tunnel.deny)

    @cached_property
    def _straight(self) -> tuple[Pattern, ...]:
        return tuple(compile_glob(glob, Anchor.HOST) for glob in self.tunnel.no_proxy)

    @cached_property
    def has_parents(self) -> bool:
        """Whether any tunnel may lead through a proxy."""
        return self.tunnel.proxy is not None or any(block.proxy is not None for block in self.registries)

    def registry_of(self, authority: Authority) -> Registry | None:
        """The block that names this authority as a host or an alias; an exact name wins over a wildcard."""
        exact = self._exact.get(authority)
        if exact is not None:
            return exact
        label, _, rest = authority.host.partition(".")
        return self._wild.get(Authority(rest, authority.port)) if label and not is_literal(authority.host) else None

    def decide(self, authority: Authority) -> ConnectDecision:
        """Intercept, tunnel or refuse."""
        registry = self.registry_of(authority)
        if registry is not None and registry.intercept:
            dialled = any(entry.authority == registry.canonical(authority) for entry in registry.connect_to)
            reach = Reach(named=True, allow=registry.allow_address)
            return (None if dialled else _closed(authority, reach, f"registry {registry.name}")) or Intercept(
                registry.canonical(authority), registry.name, registry.scheme
            )
        naming = self._naming(authority)
        if naming:
            allow = tuple(network for block in naming for network in block.allow_address)
            closed = _closed(authority, Reach(named=True, allow=allow), f"registry {naming[0].name}")
            return closed or self._led(authority, allow, named=True)
        return self._tunnel(authority)

    def parent(self, authority: Authority) -> ParentProxy | None:
        """The proxy through which a tunnel to this authority leads, first that of a block that names it."""
        if not self.has_parents or self._goes_straight(authority.host):
            return None
        own = (block.proxy for block in self._naming(authority) if block.proxy is not None)
        return next(own, self.tunnel.proxy)

    def _naming(self, authority: Authority) -> list[Registry]:
        return [block for block in self.registries if block.names(authority)]

    def _goes_straight(self, host: str) -> bool:
        """By its name alone: the proxy is there to look up the address of one that is none."""
        if any(pattern.matches(host) for pattern in self._straight):
            return True
        networks = self.tunnel.no_proxy_address if is_literal(host) else ()
        return any(ipaddress.ip_address(host) in network for network in networks)

    def _led(self, authority: Authority, allow: tuple[Network, ...], *, named: bool) -> Tunnel:
        parent = self.parent(authority) is not None
        return Tunnel(allow, named, parent, self.tunnel.connect, self.tunnel.idle)

    def _tunnel(self, authority: Authority) -> ConnectDecision:
        rules = self.tunnel
        if any(pattern.matches(authority.host) for pattern in self._deny):
            return _refuse(authority, "the policy denies tunnels to it; remove it from tunnel { deny }")
        if self._allow and not any(pattern.matches(authority.host) for pattern in self._allow):
            return _refuse(
                authority, "it is not among the hosts to tunnel to; add it to tunnel { allow } or name the registry"
            )
        if not rules.any_port and authority.port not in rules.ports:
            way = "add it to tunnel { ports } or name the registry"
            return _refuse(authority, f"port {authority.port} is not open for tunnels; {way}")
        closed = _closed(authority, Reach(allow=rules.allow_address), "tunnel")
        return closed or self._led(authority, rules.allow_address, named=False)


def is_literal(host: str) -> bool:
    """Whether a canonical host is an address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _closed(authority: Authority, reach: Reach, block: str) -> Refuse | None:
    """The refusal of an address literal that the frozen table closes; names are judged when they are dialled."""
    if not is_literal(authority.host):
        return None
    why = reach.refusal(authority.host, authority.port)
    return _refuse(authority, f"{why}; add it to {block} {{ allow-address }}") if why is not None else None


def _refuse(authority: Authority, why: str) -> Refuse:
    name = str(authority)
    room = MAX_REASON - len(f"regproxy refused : {why}")
    return Refuse(403, printable(f"regproxy refused {name if len(name) <= room else name[: room - 3] + '...'}: {why}"))
