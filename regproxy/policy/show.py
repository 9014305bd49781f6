"""A policy as it runs: files taken in, names resolved, defaults merged into each tier, ports written out.

What is shown loads again to the same policy. It is made from what the data path reads, not from the text; tests, which
say what a policy should do and not what it does, are left out.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from regproxy.model.access import Access
from regproxy.model.address import Authority
from regproxy.model.decision import Cached, Denied, Passed
from regproxy.model.egress import TlsSettings
from regproxy.model.entry import CacheLimits
from regproxy.model.group import ClientGroup
from regproxy.model.lending import Basic, Bearer, Clients, DockerConfig, Helper, Lending
from regproxy.model.registry import HostPattern, ParentProxy, Registry
from regproxy.model.secret import Origin
from regproxy.model.tunnel import TunnelRules
from regproxy.model.warm import Warm
from regproxy.policy.format import formatted
from regproxy.policy.images import image_name
from regproxy.policy.policy import Policy
from regproxy.policy.schema import VERSION
from regproxy.policy.tier import Tier
from regproxy.policy.words import clock, condition_in_words, duration, percentage, quoted, rate, size, statements


@dataclass(frozen=True, slots=True)
class Row:
    """One statement: `words` as they are written, then `texts`, which get quotes; `many` where it may be repeated."""

    key: str
    words: str = ""
    texts: tuple[str, ...] = ()
    many: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One block; a block that may stand more than once has a `name`."""

    key: str
    rows: tuple[Row, ...]
    blocks: tuple["Shown", ...] = ()
    name: str = ""


def show(policy: Policy) -> str:
    """The policy as text."""
    blocks = "\n".join(_text(block) for block in outline(policy))
    return formatted(f"policy {VERSION};\n{_rows(_users(policy.access))}\n\n{blocks}")


def as_object(policy: Policy) -> dict[str, object]:
    """The policy as an object for JSON, in the names of the language.

    A statement is a string, its arguments; where they hold texts, it is the list of them. Blocks with a name and
    statements that may be repeated are lists of such.
    """
    return {"policy": VERSION, **_statements(_users(policy.access)), **_object(outline(policy))}


def outline(policy: Policy) -> tuple[Shown, ...]:
    """The blocks of a policy."""
    return (
        _cache(policy.cache),
        *(_group(group) for group in policy.groups),
        *_access(policy.access),
        *(_registry(registry) for registry in policy.registries),
        _tunnel(policy.connecting.tunnel),
        *(_tier(tier) for tier in policy.tiers),
        *(_warm(warm) for warm in policy.warm),
    )


def _cache(limits: CacheLimits) -> Shown:
    free = size(limits.min_free) if limits.min_free else percentage(limits.min_free_share)
    largest = () if math.isinf(limits.max_object) else (Row("max-object", size(int(limits.max_object))),)
    rows = (
        Row("size", size(limits.size)),
        Row("inactive", duration(limits.inactive)),
        Row("min-free", free),
        *largest,
        Row("evict", limits.evict),
        Row("durability", limits.durability),
    )
    return Shown("cache", rows)


def _group(group: ClientGroup) -> Shown:
    addresses = (Row("address", "", (str(network),), many=True) for network in group.addresses)
    users = (Row("user", "", (user,), many=True) for user in group.users)
    return Shown("client-group", (*addresses, *users), name=group.name)


def _users(access: Access) -> tuple[Row, ...]:
    """The users' file, by its name and never by what is in it."""
    return (Row("users", "file", (access.users.origin.name,)),) if access.users is not None else ()


def _access(access: Access) -> Iterator[Shown]:
    allow = (Row("allow", group.name, many=True) for group in access.allow)
    deny = (Row("deny", group.name, many=True) for group in access.deny)
    if access.allow or access.deny:
        yield Shown("access", (*allow, *deny))


def _registry(registry: Registry) -> Shown:
    rows = (
        *_texts("hosts", _hosts(registry.hosts)),
        *_texts("aliases", map(str, registry.aliases)),
        *_texts("token-hosts", _hosts(registry.token_hosts)),
        *_texts("redirect-hosts", _hosts(registry.redirect_hosts)),
        Row("scheme", registry.scheme),
        Row("intercept", "on" if registry.intercept else "off"),
        Row("push", "allow" if registry.push else "refuse"),
        *([Row("client-auth", registry.client_auth)] if registry.client_auth != "preferred" else []),
        *_texts("allow-address", map(str, registry.allow_address)),
    )
    dialled = tuple(
        Row("connect-to", "", (str(one.authority), str(one.target)), many=True) for one in registry.connect_to
    )
    trusted = tuple(Row("ca", "file", (path,), many=True) for path in registry.ca_files)
    upstream = (*dialled, *_proxy(registry.proxy), *_patience(registry))
    limits = (
        *([Row("pulls", rate(registry.pulls))] if registry.pulls is not None else []),
        *([Row("concurrent", str(registry.concurrent))] if registry.concurrent is not None else []),
        *([Row("reserve", f"{kept.pulls} for {kept.group.name}")] if (kept := registry.reserve) is not None else []),
    )
    tls = (*trusted, *_tls(registry.tls))
    blocks = (Shown("upstream", upstream), Shown("tls", tls), Shown("limits", limits))
    inner = (*(block for block in blocks if block.rows), *map(_auth, registry.auth))
    return Shown("registry", rows, inner, registry.name)


def _patience(registry: Registry) -> Iterator[Row]:
    times = registry.timeouts
    settings = (
        ("connect-timeout", times.connect),
        ("first-byte-timeout", times.first_byte),
        ("idle-timeout", times.idle),
    )
    yield from (Row(key, duration(seconds)) for key, seconds in settings if seconds is not None)
    counts = (("retries", registry.retries), ("connections", registry.connections))
    yield from (Row(key, str(number)) for key, number in counts if number is not None)


def _tls(settings: TlsSettings) -> Iterator[Row]:
    """What differs from what is always so; a client certificate by where it lies."""
    if (client := settings.client) is not None:
        paths = quoted(client.chain.origin.name), quoted(client.key.origin.name)
        yield Row("client-certificate", "file {} key file {}".format(*paths))
    if settings.min_version != "1.2":
        yield Row("min-version", "", (settings.min_version,))
    if not settings.verify:
        yield Row("verify", "off")


def _auth(lending: Lending) -> Shown:
    """A credential, by where its secret comes from and never by what it is."""
    rows: tuple[Row, ...]
    match lending.source:
        case Basic(user=user, password=password):
            kind, rows = "basic", (Row("username", "", (user,)), _from(password.origin, "password"))
        case Bearer(token=token):
            kind, rows = "bearer", (_from(token.origin, "token"),)
        case DockerConfig(file=file):
            kind, rows = "docker-config", (Row("file", "", (file.name,)),)
        case Helper(command=command):
            kind, rows = "helper", (Row("command", "", (command,)),)
        case _:
            assert_never(lending.source)
    scope = ("for", *map(quoted, lending.repositories)) if lending.repositories else ()
    clients = Row("clients", " ".join(map(_clients, lending.clients)))
    only = _texts("present-to", (str(lending.present_to),)) if lending.present_to is not None else ()
    rows = (*rows, clients, *only, Row("on-reject", lending.on_reject))
    return Shown("auth", rows, name=" ".join([kind, *scope]))


def _clients(clients: Clients) -> str:
    if isinstance(clients, str):
        return clients
    return clients.name if isinstance(clients, ClientGroup) else quoted(str(clients))


def _from(origin: Origin, key: str) -> Row:
    return Row(key, f"env {origin.name}") if origin.kind == "env" else Row(key, "file", (origin.name,))


def _proxy(proxy: ParentProxy | None) -> Iterator[Row]:
    """The proxy, by where its secret comes from and never by what it is."""
    if proxy is None:
        return
    origin = proxy.secret.origin if proxy.secret is not None else None
    if origin is None:
        yield Row("proxy", "", (f"http://{proxy.authority}",))
    else:
        yield _from(origin, "proxy")


def _tunnel(rules: TunnelRules) -> Shown:
    usual = TunnelRules()
    ports = [str(port) for port in sorted(rules.ports) if not rules.any_port or rules.ports != usual.ports]
    rows = (
        *_texts("allow", rules.allow),
        *_texts("deny", rules.deny),
        Row("ports", " ".join(["any", *ports] if rules.any_port else ports)),
        *_texts("allow-address", map(str, rules.allow_address)),
        *_proxy(rules.proxy),
        *_texts("no-proxy", (*rules.no_proxy, *map(str, rules.no_proxy_address))),
        *([Row("connect-timeout", duration(rules.connect))] if rules.connect != usual.connect else []),
        *([Row("idle-timeout", duration(rules.idle))] if rules.idle != usual.idle else []),
    )
    return Shown("tunnel", rows)


def _tier(tier: Tier) -> Shown:
    match tier.decision:
        case Cached(terms=terms):
            rows = tuple(Row(key, words) for key, words in statements(terms))
        case Passed():
            rows = (Row("pass"),)
        case Denied(status=status, text=text):
            rows = (Row("deny", str(status), (text,)),)
        case _:
            assert_never(tier.decision)
    return Shown("tier", (Row("match", condition_in_words(tier.condition)), *rows), name=tier.name)


def _warm(warm: Warm) -> Shown:
    rows = (
        *_texts("images", map(image_name, warm.images)),
        Row("every", duration(warm.every)),
        *_texts("platforms", warm.platforms),
        *([Row("between", "", (clock(hours.begin), clock(hours.end)))] if (hours := warm.hours) is not None else []),
    )
    return Shown("warm", rows, name=warm.name)


def _texts(key: str, texts: Iterable[str]) -> Iterator[Row]:
    """The statement, where there is something to say."""
    if found := tuple(texts):
        yield Row(key, "", found)


def _hosts(patterns: Iterable[HostPattern]) -> Iterator[str]:
    """Hosts with their ports, 443 too: what is shown depends on no default."""
    for pattern in patterns:
        yield f"{'*.' if pattern.wildcard else ''}{Authority(pattern.host, pattern.port)}"


def _text(block: Shown) -> str:
    return "\n".join([f"{block.key} {block.name} {{", _rows(block.rows), *map(_text, block.blocks), "}\n"])


def _rows(rows: Iterable[Row]) -> str:
    return "\n".join(" ".join([row.key, row.words, *map(quoted, row.texts)]) + ";" for row in rows)


def _object(blocks: Iterable[Shown]) -> dict[str, object]:
    single: dict[str, object] = {}
    many: dict[str, list[object]] = {}
    for block in blocks:
        inner = {**_statements(block.rows), **_object(block.blocks)}
        if block.name:
            many.setdefault(block.key, []).append({"name": block.name, **inner})
        else:
            single[block.key] = inner
    return {**single, **many}


def _statements(rows: Iterable[Row]) -> dict[str, object]:
    single: dict[str, object] = {}
    many: dict[str, list[object]] = {}
    for row in rows:
        value = [*filter(None, [row.words]), *row.texts] if row.texts else row.words
        if row.many:
            many.setdefault(row.key, []).append(value)
        else:
            single[row.key] = value
    return {**single, **many}
