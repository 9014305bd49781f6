"""REGISTRIES of the seed and its AUTH_REGISTRIES, as `registry` blocks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from regproxy.model.address import Authority, parse_authority
from regproxy.policy.words import quoted
from regproxy.settings.seed_logins import VARIABLE, SeedLogin, seed_logins

DEFAULT_REGISTRIES = "registry.k8s.io gcr.io quay.io ghcr.io"
HUB = ("registry-1.docker.io", "index.docker.io", "docker.io", "auth.docker.io")
_HUB = """\
registry docker-hub {{
    hosts          "registry-1.docker.io";
    aliases        "index.docker.io" "docker.io";
    token-hosts    "auth.docker.io";
    redirect-hosts "production.cloudflare.docker.com" "production.cloudfront.docker.com";
{inside}}}

"""


@dataclass(frozen=True, slots=True)
class SeedRegistries:
    """The blocks as text, and the credentials that they name."""

    text: str
    logins: tuple[SeedLogin, ...]
    warnings: tuple[str, ...]

    @property
    def passwords(self) -> Mapping[str, str]:
        """The variables that the blocks name, and what is in them."""
        return {login.variable: login.password for login in self.logins}


def seed_registries(environ: Mapping[str, str], inside: str) -> SeedRegistries:
    """One block for each host, `inside` in each; repetitions and the names of Docker Hub are left out.

    Raises ValueError naming the variable at fault.
    """
    hosts = _hosts(environ.get("REGISTRIES", DEFAULT_REGISTRIES))
    logins = seed_logins(environ, [authority for authority, _ in hosts])
    hub = [login for login in logins if _of_hub(login)]
    others = [login for login in logins if not _of_hub(login)]
    blocks = [_HUB.format(inside=inside + "".join(login.block() for login in hub[:1]))]
    labels, used = {"docker-hub"}, set(hub[:1])
    for authority, wildcard in hosts:
        label = _label(authority, wildcard)
        while label in labels:
            label += "-too"
        labels.add(label)
        lent = _lent(authority, wildcard, others)
        used |= set(lent)
        star = "*." if wildcard else ""
        blocks.append(f'registry {label} {{ hosts "{star}{authority.name}"; {inside}{_auth(authority, lent)}}}\n')
    return SeedRegistries("".join(blocks), tuple(one for one in logins if one in used), tuple(_unused(logins, used)))


def _of_hub(login: SeedLogin) -> bool:
    return login.host.host in HUB and login.host.port == 443


def _hosts(value: str) -> Sequence[tuple[Authority, bool]]:
    """The hosts of REGISTRIES without Docker Hub's, which is always there, and whether each is `*.host`."""
    found: dict[tuple[Authority, bool], None] = {}
    for word in value.split():
        wildcard = word.startswith("*.")
        try:
            authority = parse_authority(word.removeprefix("*."), 443)
        except ValueError as wrong:
            raise ValueError(f"REGISTRIES: {wrong}") from wrong
        if authority.host not in HUB or wildcard:
            found[authority, wildcard] = None
    return tuple(found)


def _lent(authority: Authority, wildcard: bool, logins: Sequence[SeedLogin]) -> Sequence[SeedLogin]:
    """The registry's own credential, else that of the one host that may be where it issues its tokens."""
    own = [login for login in logins if login.host == authority and not wildcard]
    near = [login for login in logins if login.is_for(authority)]
    return own or (near if len(near) == 1 else [])


def _auth(authority: Authority, lent: Sequence[SeedLogin]) -> str:
    neighbours = [login for login in lent if login.host != authority]
    token_hosts = "".join(f"token-hosts {quoted(login.host.name)};\n" for login in neighbours)
    return token_hosts + "".join(login.block(neighbour=login in neighbours) for login in lent)


def _unused(logins: Sequence[SeedLogin], used: set[SeedLogin]) -> Iterator[str]:
    for login in logins:
        if login not in used:
            yield (
                f"{VARIABLE}: the credential for {login.host.name} is not used: it is no host of REGISTRIES, nor the "
                "only one near to one, which could be where that issues its tokens; a policy can say where it belongs"
            )
    if used:
        yield (
            f"{VARIABLE}: every client may use these credentials, as in the seed; to narrow that, keep the policy that "
            "`regproxy policy from-env` prints, and write `clients private;` or name client groups"
        )


def _label(authority: Authority, wildcard: bool) -> str:
    """A block's name: the host, which the grammar takes as a word once it begins with a letter."""
    plain = authority.name.replace("[", "").replace("]", "").replace(":", "-").strip("-_")
    named = f"all.{plain}" if wildcard else plain
    return named if named[:1].isalpha() else f"host.{named}"
