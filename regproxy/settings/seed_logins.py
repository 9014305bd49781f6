"""AUTH_REGISTRIES of the seed: `host:user:password` of registries or of their token hosts, one behind the other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from regproxy.model.address import Authority, parse_authority
from regproxy.policy.words import quoted

VARIABLE = "AUTH_REGISTRIES"
PLACEHOLDER = "some.authenticated.registry:oneuser:onepassword another.registry:user:password"
MAX_LOGINS = 200


@dataclass(frozen=True, slots=True)
class SeedLogin:
    """One entry; `variable` is where the policy finds the password, which no text of ours may show."""

    host: Authority
    user: str
    password: str = field(repr=False)
    variable: str = VARIABLE

    def block(self, *, neighbour: bool = False) -> str:
        """Its `auth` block; in that of a `neighbour` it is for this host only."""
        only = f"present-to {quoted(self.host.name)}; " if neighbour else ""
        return f"auth basic {{ username {quoted(self.user)}; password env {self.variable}; clients any; {only}}}\n"

    def is_for(self, registry: Authority) -> bool:
        """Whether this host may be where that registry issues its tokens: one is below the other, or both are siblings.

        Anything else would make a stranger's registry a token host of this one.
        """
        ours, theirs = self.host.host, registry.host
        if ours == theirs or ours.endswith(f".{theirs}") or theirs.endswith(f".{ours}"):
            return True
        parents = {name.partition(".")[2] for name in (ours, theirs)}
        return len(parents) == 1 and "." in parents.pop()


def seed_logins(environ: Mapping[str, str], registries: Iterable[Authority]) -> tuple[SeedLogin, ...]:
    """The entries; raises ValueError, in which no more than a host occurs. `registries` are known by their ports."""
    between, within = (
        _delimiter(environ, "AUTH_REGISTRIES_DELIMITER", " "),
        _delimiter(environ, "AUTH_REGISTRY_DELIMITER", ":"),
    )
    ported = [one.name for one in registries if one.port != 443]
    found: dict[Authority, SeedLogin] = {}
    for number, entry in enumerate(_entries(environ, between), 1):
        if number > MAX_LOGINS:
            raise ValueError(f"{VARIABLE} has more than {MAX_LOGINS} entries")
        login = _login(entry, number, within, ported)
        known = found.setdefault(login.host, login)
        if (known.user, known.password) != (login.user, login.password):
            raise ValueError(f"{VARIABLE} has two credentials for {login.host.name}; remove one, or write a policy")
    return tuple(found.values())


def is_placeholder(environ: Mapping[str, str]) -> bool:
    """Whether the variable holds what the seed's image ships, which means nothing."""
    return environ.get(VARIABLE, "").strip() == PLACEHOLDER


def _entries(environ: Mapping[str, str], between: str) -> Iterator[str]:
    value = "" if is_placeholder(environ) else environ.get(VARIABLE, "").strip()
    parts = value.split() if between.isspace() else value.split(between)
    return (part.strip() for part in parts if part.strip())


def _login(entry: str, number: int, within: str, ported: Iterable[str]) -> SeedLogin:
    """The password is all that is left, the delimiter in it or not."""
    name = next((one for one in ported if entry.lower().startswith(f"{one}{within}")), None)
    host, rest = (name, entry[len(name) + len(within) :]) if name else _parted(entry, within)
    user, password = _parted(rest, within)
    if not (host and user and password and user.isprintable()):
        raise ValueError(f"{VARIABLE}: entry {number} is no `host{within}user{within}password`")
    try:
        authority = parse_authority(host, 443)
    except ValueError as wrong:
        raise ValueError(f"{VARIABLE}: entry {number} begins with no host") from wrong
    if ":" in user:
        raise ValueError(f"{VARIABLE}: the user of {authority.name} has a `:` in it, which Basic cannot send")
    return SeedLogin(authority, user, password, f"{VARIABLE}_{number}")


def _parted(text: str, within: str) -> tuple[str, str]:
    before, _, after = text.partition(within)
    return before, after


def _delimiter(environ: Mapping[str, str], name: str, default: str) -> str:
    return environ.get(name, "") or default
