"""What an attribute is compared with: a closed union of pure, total tests over one request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from regproxy.model.address import Network, client_address
from regproxy.model.decision import PolicyRequest
from regproxy.model.group import ClientGroup
from regproxy.policy.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Exactly:
    """`is`, `in`: the attribute has this value."""

    attribute: str
    text: str

    def admits(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        return VALUES[self.attribute](request) == self.text


@dataclass(frozen=True, slots=True)
class Matching:
    """`like`, `matches`, `finds`: the attribute is there and the pattern matches it."""

    attribute: str
    pattern: Pattern

    def admits(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        value = VALUES[self.attribute](request)
        return bool(value) and self.pattern.matches(value)


@dataclass(frozen=True, slots=True)
class OnHost:
    """`host is`: this host, canonical; with a `port`, on that one only."""

    host: str
    port: str = ""

    def admits(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        host, port = split_authority(request.authority)
        return host == self.host and self.port in ("", port)


@dataclass(frozen=True, slots=True)
class OnHostLike:
    """`host like` with a port behind the glob."""

    pattern: Pattern
    port: str

    def admits(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        host, port = split_authority(request.authority)
        return port == self.port and self.pattern.matches(host)


@dataclass(frozen=True, slots=True)
class FromNetwork:
    """`client is`: the client's address lies in this range."""

    network: Network

    @property
    def networks(self) -> tuple[Network, ...]:
        """The ranges of addresses."""
        return (self.network,)

    @property
    def users(self) -> tuple[str, ...]:
        """Nobody by name."""
        return ()

    def admits(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        address = client_address(request.client)
        return address is not None and address in self.network


@dataclass(frozen=True, slots=True)
class InGroup:
    """`client is`: the client belongs to this group."""

    group: ClientGroup

    @property
    def networks(self) -> tuple[Network, ...]:
        """The ranges of addresses."""
        return self.group.addresses

    @property
    def users(self) -> tuple[str, ...]:
        """The users by name."""
        return self.group.users

    def admits(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        return self.group.holds(request.client, request.user)


Operand = Exactly | Matching | OnHost | OnHostLike | FromNetwork | InGroup


def host_of(request: PolicyRequest) -> str:
    """The host without its port."""
    return split_authority(request.authority)[0]


def split_authority(authority: str) -> tuple[str, str]:
    """Host (without brackets) and port; 443 when there is none."""
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host, port = authority, "443"
    return host.removeprefix("[").removesuffix("]"), port


VALUES: Mapping[str, Callable[[PolicyRequest], str]] = {
    "kind": lambda request: request.kind,
    "host": host_of,
    "registry": lambda request: request.registry,
    "repo": lambda request: request.repository,
    "tag": lambda request: request.tag,
    "digest": lambda request: request.digest,
    "ref": lambda request: request.tag or request.digest,
    "method": lambda request: request.method,
    "path": lambda request: request.path,
}
