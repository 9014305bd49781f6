"""Registry blocks: hosts with their default ports, and the rules between blocks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from regproxy.model.address import Authority
from regproxy.model.registry import ClientAuth, ConnectTo, HostPattern, Registry
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.egress import count, parent_proxy, timeouts
from regproxy.policy.given import Cidr, Endpoint, Entry, Host
from regproxy.policy.groups import Groups
from regproxy.policy.include import Files
from regproxy.policy.lending import build_lending
from regproxy.policy.registry_limits import concurrent, pulls, reserve
from regproxy.policy.registry_tls import ca_files, tls_settings
from regproxy.policy.source import Span
from regproxy.policy.syntax import Word

PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class NamedHost:
    """A host or alias of a registry block, and where it is written."""

    registry: str
    pattern: HostPattern
    span: Span


@dataclass(frozen=True, slots=True)
class Registries:
    """All registry blocks, and every host they intercept or serve as an alias."""

    blocks: tuple[Registry, ...]
    hosts: tuple[NamedHost, ...]


def build_registries(
    own: Iterable[Checked], known: Iterable[Checked], groups: Groups, files: Files, found: list[Diagnostic]
) -> Registries:
    """The registries of a policy; what it says itself about a host or a name wins over an included block."""
    blocks: list[Registry] = []
    hosts: list[NamedHost] = []
    seen: dict[HostPattern, NamedHost] = {}
    for checked in own:
        registry, named = _registry(checked, groups, files, found)
        _twins(seen, named, found)
        blocks.append(registry)
        hosts += named
    names = {block.name for block in blocks}
    taken = {host.pattern for host in hosts}
    seen = {}
    for checked in known:
        registry, named = _registry(checked, groups, files, found)
        kept = _yield(registry, taken)
        if kept is None or registry.name in names:
            continue
        _twins(seen, named, found)
        blocks.append(kept)
        remaining = {*kept.hosts, *(HostPattern(alias.host, alias.port) for alias in kept.aliases)}
        hosts += [host for host in named if host.pattern in remaining]
    return Registries(tuple(blocks), tuple(hosts))


def _yield(registry: Registry, taken: set[HostPattern]) -> Registry | None:
    """An included block without the hosts that the policy itself names; None when nothing is left."""
    hosts = tuple(one for one in registry.hosts if not _is_taken(one, taken))
    aliases = tuple(one for one in registry.aliases if not _is_taken(HostPattern(one.host, one.port), taken))
    if not hosts:
        return None
    return replace(registry, hosts=hosts, aliases=aliases)


def _is_taken(pattern: HostPattern, taken: set[HostPattern]) -> bool:
    """Whether the policy names this host itself, exactly or by a wildcard."""
    exact = not pattern.wildcard and any(own.matches(Authority(pattern.host, pattern.port)) for own in taken)
    return exact or pattern in taken


def _twins(seen: dict[HostPattern, NamedHost], named: list[NamedHost], found: list[Diagnostic]) -> None:
    """RP116: a host belongs to one block, once."""
    for host in named:
        twin = seen.setdefault(host.pattern, host)
        if twin is not host:
            note = f"first in registry `{twin.registry}` on line {twin.span.line} of {twin.span.source.name}"
            sentence = f"the host `{host.pattern}` is named twice"
            found.append(error("RP116", host.span, sentence, note=note, help="a host belongs to one registry block"))


def _registry(
    checked: Checked, groups: Groups, files: Files, found: list[Diagnostic]
) -> tuple[Registry, list[NamedHost]]:
    scheme = _scheme(checked.one("scheme"))
    port = PORTS[scheme]
    hosts = _hosts(checked, "hosts", port)
    aliases = _hosts(checked, "aliases", port)
    registry = Registry(
        name=checked.name,
        hosts=tuple(pattern for pattern, _ in hosts),
        aliases=tuple(Authority(pattern.host, pattern.port) for pattern, _ in aliases),
        token_hosts=tuple(pattern for pattern, _ in _hosts(checked, "token-hosts", 443)),
        redirect_hosts=tuple(pattern for pattern, _ in _hosts(checked, "redirect-hosts", 443)),
        scheme=scheme,
        intercept=not _says(checked.one("intercept"), "off"),
        push=_says(checked.one("push"), "allow"),
        client_auth=_client_auth(checked.one("client-auth")),
        proxy=parent_proxy(checked.inner("upstream"), files, found),
        timeouts=timeouts(checked),
        retries=count(checked, "retries"),
        connections=count(checked, "connections"),
        ca_files=tuple(ca_files(checked, found)),
        tls=tls_settings(checked, files, found),
        allow_address=tuple(
            given.network
            for entry in checked.all("allow-address")
            for given in entry.arguments
            if isinstance(given, Cidr)
        ),
        pulls=pulls(checked),
        concurrent=concurrent(checked),
        reserve=reserve(checked, groups, found),
    )
    exact = len(hosts) == 1 and not hosts[0][0].wildcard
    entry = checked.one("aliases")
    if entry is not None and checked.complete and hosts and not exact:
        sentence = "aliases need a block with exactly one exact host"
        note = "an alias is answered as that host"
        found.append(error("RP115", entry.span, sentence, note=note, help="give that host a block of its own"))
    registry = replace(
        registry,
        connect_to=tuple(_connect_to(checked, registry, port, found)),
        auth=tuple(build_lending(checked, registry, groups, files, found)),
    )
    return registry, [NamedHost(checked.name, pattern, span) for pattern, span in (*hosts, *aliases)]


def _scheme(entry: Entry | None) -> Literal["https", "http"]:
    match entry.arguments if entry is not None else ():
        case (Word("http"),):
            return "http"
        case _:
            return "https"


def _says(entry: Entry | None, word: str) -> bool:
    return entry is not None and any(isinstance(given, Word) and given.text == word for given in entry.arguments)


def _client_auth(entry: Entry | None) -> ClientAuth:
    match entry.arguments if entry is not None else ():
        case (Word(("ours" | "required") as said),):
            return said
        case _:
            return "preferred"


def _hosts(checked: Checked, key: str, port: int) -> list[tuple[HostPattern, Span]]:
    return [
        (HostPattern(given.host, given.port or port, given.wildcard), given.span)
        for entry in checked.all(key)
        for given in entry.arguments
        if isinstance(given, Host)
    ]


def _connect_to(checked: Checked, registry: Registry, port: int, found: list[Diagnostic]) -> Iterable[ConnectTo]:
    seen: dict[Authority, Span] = {}
    for block in checked.inner("upstream"):
        for entry in block.all("connect-to"):
            match entry.arguments:
                case (Host(host, given_port, _, span), Endpoint(target)):
                    ports = (given_port,) if given_port else (port, 443)
                    candidates = [Authority(host, one) for one in ports]
                    named = next((one for one in candidates if registry.names(one)), None)
                    meant = registry.canonical(named) if named is not None else None
                    if meant is None and checked.complete:
                        sentence = f"`{candidates[0].name}` is no host of registry `{checked.name}`"
                        hint = "name it in `hosts`, `token-hosts` or `redirect-hosts`"
                        found.append(error("RP108", span, sentence, help=hint))
                    elif meant in seen:
                        sentence = f"`connect-to` stands twice for `{meant.name}`"
                        found.append(error("RP106", span, sentence, note=f"first on line {seen[meant].line}"))
                    elif meant is not None:
                        seen[meant] = span
                        yield ConnectTo(meant, target)
