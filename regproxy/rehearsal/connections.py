"""What changes from one policy to another for a CONNECT, and in the settings that no request shows.

Names of hosts are decided exactly, as cells; of addresses a sample from each range that a policy or the frozen table
of addresses tells apart is looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import assert_never

from regproxy.model.address import Authority, canonical_host
from regproxy.model.connect import ConnectDecision, Intercept, Refuse, Tunnel
from regproxy.model.registry import HostPattern, Registry
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
# What a connection shows, or what is no setting.
_SHOWN = frozenset({"name", "hosts", "aliases", "intercept", "scheme"})
_LAST_PORT = 65535


def connection_changes(old: Policy, new: Policy, budget: Budget) -> Iterator[Change]:
    """CONNECTs that lead elsewhere; of those that change alike one stands for all. Raises UndecidedError."""
    seen: set[tuple[str, str]] = set()
    for authority in _authorities((old, new), budget):
        before, after = old.on_connect(authority, ""), new.on_connect(authority, "")
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
        case Tunnel(allow, named):
            return frozenset(allow), named
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
    globs = dict.fromkeys(glob for rule in rules for glob in (*rule.allow, *rule.deny))
    tests: dict[Test, None] = {}
    for pattern in patterns:
        glob = compile_glob(f"*.{pattern.host}", Anchor.HOST) if pattern.wildcard else None
        tests[test_of_pattern(glob) if glob is not None else (None, pattern.host)] = None
    for one in globs:
        tests[test_of_pattern(compile_glob(one, Anchor.HOST))] = None
    named = {pattern.port for pattern in patterns} | {port for rule in rules for port in rule.ports} | {*_PORTS}
    ports = [*_PORTS, *sorted(named - {*_PORTS}), next(one for one in range(_LAST_PORT, 0, -1) if one not in named)]
    for host in (*explore([HOST], tests, budget).words, *_literals(policies)):
        if _is_canonical(host):
            yield from (Authority(host, port) for port in ports)


def _literals(policies: Sequence[Policy]) -> Iterator[str]:
    """Addresses of the ranges that the policies name, and of those that are always told apart."""
    networks = dict.fromkeys(
        network
        for policy in policies
        for allowed in (policy.connecting.tunnel.allow_address, *(one.allow_address for one in policy.registries))
        for network in allowed
    )
    yield from dict.fromkeys([*_ADDRESSES, *(str(network.network_address) for network in networks)])


def _is_canonical(host: str) -> bool:
    try:
        return canonical_host(host) == host
    except ValueError:
        return False


def setting_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Settings that differ, by their names: values may be secrets."""
    for field in fields(old.cache):
        before, after = getattr(old.cache, field.name), getattr(new.cache, field.name)
        if before != after:
            yield Change(f"cache {field.name.replace('_', '-')}", f"{before:g}", f"{after:g}")
    before_tunnel, after_tunnel = old.connecting.tunnel, new.connecting.tunnel
    if set(before_tunnel.allow_address) != set(after_tunnel.allow_address):
        before, after = (" ".join(map(str, one.allow_address)) or "none" for one in (before_tunnel, after_tunnel))
        yield Change("tunnel allow-address", before, after)
    theirs = {pattern: registry for registry in new.registries for pattern in registry.hosts}
    pairs = dict.fromkeys(
        (registry.name, theirs[pattern].name)
        for registry in old.registries
        for pattern in registry.hosts
        if pattern in theirs
    )
    by_name = [{registry.name: registry for registry in policy.registries} for policy in (old, new)]
    for before_name, after_name in pairs:
        changed = _changed(by_name[0][before_name], by_name[1][after_name])
        if changed:
            yield Change(f"settings of registry {after_name}", "as they are", f"other {', '.join(changed)}")


def _changed(old: Registry, new: Registry) -> list[str]:
    """The names of the settings in which two blocks differ."""
    names = (field.name for field in fields(Registry) if field.name not in _SHOWN)
    return [name.replace("_", "-") for name in names if getattr(old, name) != getattr(new, name)]
