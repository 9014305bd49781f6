"""The `auth` blocks of a registry: whose secret, for what, lent to whom; each with what its kind needs."""

from collections.abc import Iterator, Mapping

from regproxy.model.account import OnReject
from regproxy.model.address import Authority
from regproxy.model.lending import Basic, Bearer, Clients, DockerConfig, Helper, Lending, Source
from regproxy.model.registry import Registry
from regproxy.model.secret import Origin, Secret
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, error, warning
from regproxy.policy.docker_config import read_logins
from regproxy.policy.given import Cidr, Entry, Host
from regproxy.policy.groups import Groups
from regproxy.policy.include import Files
from regproxy.policy.syntax import Text, Word

# What each kind must have, one of each row, and may not lack; everything else in the schema is for every kind.
_PARTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "basic": (("username",), ("password file", "password env")),
    "bearer": (("token file", "token env"),),
    "docker-config": (("file",),),
    "helper": (("command",),),
}
_OF_A_KIND = frozenset(key for parts in _PARTS.values() for keys in parts for key in keys)


def build_lending(
    checked: Checked, registry: Registry, groups: Groups, files: Files, found: list[Diagnostic]
) -> Iterator[Lending]:
    """What the `auth` blocks of a registry lend; a block that is wrong is reported and left out."""
    for block in checked.inner("auth"):
        if registry.scheme == "http":
            sentence = f"registry `{registry.name}` is spoken to without TLS: everyone on the way would read the secret"
            found.append(error("RP305", block.span, sentence, help="write `scheme https;`, or remove `auth`"))
        if not registry.tls.verify:
            sentence = f"registry `{registry.name}` may be anybody, as it is not verified: the secret would be told"
            found.append(error("RP305", block.span, sentence, help="name its CA by `ca file`, or remove `auth`"))
        clients = tuple(_clients(block, groups, found))
        source = _source(block, registry, files, found)
        if source is not None and clients:
            repositories = tuple(given.text for given in block.header[1:] if isinstance(given, Text))
            lending = Lending(source, repositories, clients, _on_reject(block), _present_to(block, registry, found))
            found += _exposed(lending, block)
            yield lending


def _clients(block: Checked, groups: Groups, found: list[Diagnostic]) -> Iterator[Clients]:
    entry = block.one("clients")
    if entry is None:
        yield "private"
        return
    for given in entry.arguments:
        match given:
            case Word(("any" | "private") as word):
                yield word
            case Word(name, span):
                group = groups.find(name, span, found)
                if group is not None:
                    yield group
            case Cidr(network):
                yield network


def _on_reject(block: Checked) -> OnReject:
    entry = block.one("on-reject")
    match entry.arguments if entry is not None else ():
        case (Word("fail"),):
            return "fail"
        case _:
            return "anonymous"


def _present_to(block: Checked, registry: Registry, found: list[Diagnostic]) -> Authority | None:
    entry = block.one("present-to")
    match entry.arguments if entry is not None else ():
        case (Host(host, port, _, span),):
            authority = Authority(host, port or 443)
            if registry.serves(authority):
                return registry.canonical(authority)
            if not any(pattern.matches(authority) for pattern in registry.token_hosts):
                sentence = f"`{authority.name}` is no host of registry `{registry.name}` that is shown a credential"
                found.append(error("RP108", span, sentence, help="name it in `hosts` or `token-hosts`"))
            return authority
        case _:
            return None


def _exposed(lending: Lending, block: Checked) -> Iterator[Diagnostic]:
    entry = block.one("clients")
    if lending.exposed and entry is not None:
        sentence = "everyone who can reach the proxy may pull with this credential, and is served what it pulled"
        yield warning("RP304", entry.span, sentence, help="name addresses or a client-group, or write `private`")


def _source(block: Checked, registry: Registry, files: Files, found: list[Diagnostic]) -> Source | None:
    match block.header:
        case (Word(kind), *_) if kind in _PARTS:
            entries = _entries(block, kind, found)
        case _:
            return None
    if entries is None:
        return None
    match kind, entries:
        case "basic", (Entry(arguments=(Text(user),)), entry):
            secret = _secret(entry, files, found, lines=True)
            return Basic(user, secret) if secret is not None else None
        case "bearer", (entry,):
            secret = _secret(entry, files, found)
            return _bearer(secret, entry, found) if secret is not None else None
        case "docker-config", (entry,):
            secret = _secret(entry, files, found, lines=True)
            return _docker_config(secret, entry, registry, found) if secret is not None else None
        case "helper", (Entry(arguments=(Text(command),)),):
            return Helper(command)
        case _:
            return None


def _entries(block: Checked, kind: str, found: list[Diagnostic]) -> tuple[Entry, ...] | None:
    """What the kind needs, in the order of `_PARTS`; None where something is missing or too much, which is reported."""
    before = len(found)
    entries = []
    wanted = {key for keys in _PARTS[kind] for key in keys}
    strange = [entry for key in sorted(_OF_A_KIND - wanted) for entry in block.all(key)]
    found += [error("RP101", entry.span, f"`auth {kind}` has no `{entry.key}`", help=_needs(kind)) for entry in strange]
    for keys in _PARTS[kind]:
        given = sorted((entry for key in keys for entry in block.all(key)), key=lambda entry: entry.span.start)
        if len(given) > 1:
            found.append(
                error("RP106", given[1].span, f"`{keys[0].split()[0]}` stands twice in `auth`", help="keep one")
            )
        elif not given and block.complete:
            found.append(error("RP107", block.span, f"`auth {kind}` has no `{keys[0].split()[0]}`", help=_needs(kind)))
        entries += given[:1]
    return tuple(entries) if len(found) == before and len(entries) == len(_PARTS[kind]) else None


def _needs(kind: str) -> str:
    return "it has " + " and ".join(" or ".join(f"`{key}`" for key in keys) for keys in _PARTS[kind])


def _secret(entry: Entry, files: Files, found: list[Diagnostic], *, lines: bool = False) -> Secret | None:
    match entry.arguments:
        case (Text(name),):
            origin = Origin("env" if entry.key.endswith(" env") else "file", name)
        case _:
            return None
    try:
        revealed = files.secret(origin, lines=lines)
    except ValueError as wrong:
        found.append(error("RP302", entry.span, str(wrong)))
        return None
    if revealed.exposed:
        sentence = f"{origin.name} can be read by every user of the machine"
        found.append(warning("RP303", entry.span, sentence, help=f"chmod o-r {origin.name}"))
    return revealed.secret


def _bearer(secret: Secret, entry: Entry, found: list[Diagnostic]) -> Bearer | None:
    """A token becomes a field of a request as it is: only what RFC 6750 lets it be may stand in it."""
    if all("!" <= character <= "~" for character in secret.reveal()):
        return Bearer(secret)
    sentence = f"{secret.origin.name} holds no token: that is printable ASCII without spaces"
    found.append(error("RP302", entry.span, sentence))
    return None


def _docker_config(secret: Secret, entry: Entry, registry: Registry, found: list[Diagnostic]) -> DockerConfig | None:
    try:
        logins = read_logins(secret.reveal(), registry)
    except ValueError as wrong:
        found.append(error("RP302", entry.span, f"{secret.origin.name}: {wrong}"))
        return None
    if not logins:
        sentence = f"{secret.origin.name} holds no login for a host of registry `{registry.name}`"
        found.append(error("RP302", entry.span, sentence, note="what a `credsStore` keeps is not in the file"))
        return None
    return DockerConfig(secret.origin, logins, secret.read_at)
