"""What changes from one policy to another for a CONNECT.

Names of hosts are decided exactly, as cells; of addresses a sample from each range that a policy or the frozen table
of addresses tells apart is looked at.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

from regproxy.model.address import Authority, canonical_host
from regproxy.model.connect import ConnectDecision, Intercept, Refuse, Tunnel
from regproxy.model.registry import HostPattern
from regproxy.policy.pattern import Anchor, compile_glob
from regproxy.policy.policy import Policy
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.change import Change
from regproxy.rehearsal.domain import Test, explore, test_of_pattern
from regproxy.rehearsal.explain import connect_in_words
from regproxy.rehearsal.grammars import HOST

_PORTS = (443, 80)
# A public, a private, a loopback, a link-local and a metadata address.
_ADDRESSES = ("1.1.1.1", "10.0.0.1", "127.0.0.1", "169.254.169.254", "2606:4700::1", "fd00::1", "::1")
_LAST_PORT = 65535


def connection_changes(old: Policy, new: Policy, budget: Budget) -> Iterator[Change]:
    """CONNECTs of clients with access that lead elsewhere; of those that change alike one stands for all.

    Raises UndecidedError.
    """
    seen: set[tuple[str, str]] = set()
    for authority in _authorities((old, new), budget):
        before, after = old.connecting.decide(authority), new.connecting.decide(authority)
        if _effect(before) == _effect(after):
            continue
        words = _words(before), _words(after)
        alike = (words[0].replace(authority.name, "?"), words[1].replace(authority.name, "?"))
        if alike not in seen:
            seen.add(alike)
            yield Change(f"CONNECT {authority}", *words)


def _effect(decision: ConnectDecision) -> object:
    """What a connection gets, whatever its block is called."""
    match decision:
        case Intercept(authority, _, scheme):
            return authority, scheme
        case Tunnel(allow, named, parent):
            return frozenset(allow), named, parent
        case Refuse(status, _):
            return status
        case _:
            assert_never(decision)


def _words(decision: ConnectDecision) -> str:
    words = connect_in_words(decision)
    match decision:
        case Intercept(scheme="http"):
            return f"{words}, over plain http"
        case Tunnel(allow=allow) if allow:
            return f"{words}, also to {' '.join(map(str, allow))}"
        case _:
            return words


def _authorities(policies: Sequence[Policy], budget: Budget) -> Iterator[Authority]:
    """One authority for each case that the policies tell apart."""
    patterns = dict.fromkeys(
        pattern
        for policy in policies
        for registry in policy.registries
        for pattern in (
            *registry.hosts,
            *(HostPattern(alias.host, alias.port) for alias in registry.aliases),
            *registry.token_hosts,
            *registry.redirect_hosts,
        )
    )
    rules = [policy.connecting.tunnel for policy in policies]
    globs = dict.fromkeys(glob for rule in rules for glob in (*rule.allow, *rule.deny, *rule.no_proxy))
    tests: dict[Test, None] = {}
    for pattern in patterns:
        glob = compile_glob(f"*.{pattern.host}", Anchor.HOST) if pattern.wildcard else None
        tests[test_of_pattern(glob) if glob is not None else (None, pattern.host)] = None
    for one in globs:
        tests[test_of_pattern(compile_glob(one, Anchor.HOST))] = None
    named = {pattern.port for pattern in patterns} | {port for rule in rules for port in rule.ports} | {*_PORTS}
    ports = [*_PORTS, *sorted(named - {*_PORTS}), next(one for one in range(_LAST_PORT, 0, -1) if one not in named)]
    # The grammar of names has no addresses of IPv6.
    literals = [*_literals(policies), *(pattern.host for pattern in patterns if ":" in pattern.host)]
    for host in dict.fromkeys([*explore([HOST], tests, budget).words, *literals]):
        if _is_canonical(host):
            yield from (Authority(host, port) for port in ports)


def _literals(policies: Sequence[Policy]) -> Iterator[str]:
    """Addresses of the ranges that the policies name, and of those that are always told apart."""
    networks = dict.fromkeys(
        network
        for policy in policies
        for allowed in (
            policy.connecting.tunnel.allow_address,
            policy.connecting.tunnel.no_proxy_address,
            *(one.allow_address for one in policy.registries),
        )
        for network in allowed
    )
    yield from dict.fromkeys([*_ADDRESSES, *(str(network.network_address) for network in networks)])


def _is_canonical(host: str) -> bool:
    try:
        return canonical_host(host) == host
    except ValueError:
        return False
