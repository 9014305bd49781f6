"""An `auth` block of the policy: which credential, for which repositories, lent to whom."""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal, assert_never

from regproxy.model.account import Credential, OnReject
from regproxy.model.address import Authority, Network, client_address
from regproxy.model.group import ClientGroup
from regproxy.model.login import BearerToken, FromHelper, IdentityToken, Login, Password
from regproxy.model.secret import Origin, Secret

# Where clients come from that nobody outside can be: private, shared, link-local and loopback addresses.
PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 "
    "::1/128 fc00::/7 fe80::/10".split()
)

Clients = Literal["any", "private"] | Network | ClientGroup


@dataclass(frozen=True, slots=True)
class Basic:
    """`auth basic`."""

    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Bearer:
    """`auth bearer`."""

    token: Secret


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """`auth docker-config`: of the file, read at `read_at`, the logins for hosts of the block."""

    file: Origin
    logins: tuple[tuple[Authority, Login], ...] = ()
    read_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Helper:
    """`auth helper`: the name of a docker credential helper."""

    command: str


Source = Basic | Bearer | DockerConfig | Helper


@dataclass(frozen=True, slots=True)
class Lending:
    """One `auth` block; `repositories` are globs, none means all; `present_to` as in Credential."""

    source: Source
    repositories: tuple[str, ...] = ()
    clients: tuple[Clients, ...] = ("private",)
    on_reject: OnReject = "anonymous"
    present_to: Authority | None = None

    @property
    def exposed(self) -> bool:
        """Whether everyone who can reach the proxy may use the credential."""
        return "any" in self.clients

    def lends_to(self, client: str, user: str = "") -> bool:
        """Whether the client at this address, and with this user of the proxy, may use the credential."""
        return any(_holds(one, client, user) for one in self.clients)

    def credential(self, authority: Authority) -> Credential | None:
        """What is presented to this authority; None where the source has nothing for it."""
        match self.source:
            case Basic(user=user, password=secret):
                return self._named(f"basic {user}", Password(user, secret.reveal()), str(secret), secret.read_at)
            case Bearer(token=secret):
                return self._named(f"bearer {secret}", BearerToken(secret.reveal()), str(secret), secret.read_at)
            case DockerConfig(file=file, logins=logins, read_at=read_at):
                login = dict(logins).get(authority)
                if login is None:
                    return None
                return self._named(f"docker-config {_user(login) or file.name}", login, f"file {file.name}", read_at)
            case Helper(command=command):
                return self._named(f"helper {command}", FromHelper(command, authority), command, 0.0)
            case _:
                assert_never(self.source)

    def _named(self, name: str, login: Login | FromHelper, source: str, read_at: float) -> Credential:
        return Credential(name, login, source, read_at, self.on_reject, self.present_to)


def _user(login: Login) -> str:
    match login:
        case Password(user=user):
            return user
        case IdentityToken() | BearerToken():
            return ""
        case _:
            assert_never(login)


def _holds(clients: Clients, client: str, user: str) -> bool:
    if clients == "any":
        return True
    if isinstance(clients, ClientGroup):
        return clients.holds(client, user)
    address = client_address(client)
    networks = PRIVATE if clients == "private" else (clients,)
    return address is not None and any(address in network for network in networks)
