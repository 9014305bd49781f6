"""A registry block of the policy as the data path reads it: settings shared by the authorities it names."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote_to_bytes

from regproxy.model.address import Authority, Network
from regproxy.model.egress import Timeouts, TlsSettings
from regproxy.model.group import ClientGroup
from regproxy.model.lending import Lending
from regproxy.model.secret import Secret

# What a client's own login is to us: used where there is one, nothing, or what every client must have.
ClientAuth = Literal["preferred", "ours", "required"]

MAX_PULLS = 100_000
MAX_CONCURRENT = 128


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of `hosts`, `token-hosts` or `redirect-hosts`: an exact host, or `*.` for exactly one label."""

    host: str
    port: int
    wildcard: bool = False

    def matches(self, authority: Authority) -> bool:
        """Whether the pattern names this authority; a wildcard stands for exactly one label."""
        if authority.port != self.port:
            return False
        if not self.wildcard:
            return authority.host == self.host
        label, dot, rest = authority.host.partition(".")
        return bool(label) and bool(dot) and rest == self.host

    def __str__(self) -> str:
        name = Authority(self.host, self.port).name
        return f"*.{name}" if self.wildcard else name


@dataclass(frozen=True, slots=True)
class ConnectTo:
    """Dial `target` wherever `authority` is meant; name, SNI and certificate check stay those of `authority`."""

    authority: Authority
    target: Authority


@dataclass(frozen=True, slots=True)
class ParentProxy:
    """An HTTP proxy through which registries or tunnels lead; `secret`: its whole URL, where that is not public."""

    authority: Authority
    secret: Secret | None = None

    @property
    def url(self) -> str:
        """The URL with its credential, for libcurl alone."""
        return self.secret.reveal() if self.secret is not None else f"http://{self.authority}"

    @property
    def authorization(self) -> str:
        """The value of Proxy-Authorization (RFC 7617) by user and password of the URL; empty where it has none."""
        userinfo, at, _ = self.url.partition("://")[2].rpartition("@")
        if not at:
            return ""
        user, _, password = userinfo.partition(":")
        pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
        return f"Basic {b64encode(pair).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any span of `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Reserve:
    """The last `pulls` that are left, the registry's or ours, are for the clients of `group`."""

    pulls: int
    group: ClientGroup


@dataclass(frozen=True, slots=True)
class Registry:
    """The settings of one `registry NAME { }` block; times in seconds.

    `pulls` bounds what registries count, for each authority; `concurrent` all requests of the block at once;
    `connections` what is under way on the wire, for small and for large transfers each.
    """

    name: str
    hosts: tuple[HostPattern, ...]
    aliases: tuple[Authority, ...] = ()
    token_hosts: tuple[HostPattern, ...] = ()
    redirect_hosts: tuple[HostPattern, ...] = ()
    scheme: Literal["https", "http"] = "https"
    intercept: bool = True
    push: bool = False
    client_auth: ClientAuth = "preferred"
    connect_to: tuple[ConnectTo, ...] = ()
    proxy: ParentProxy | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: int | None = None
    connections: int | None = None
    ca_files: tuple[str, ...] = ()
    tls: TlsSettings = field(default_factory=TlsSettings)
    allow_address: tuple[Network, ...] = ()
    pulls: Rate | None = None
    concurrent: int | None = None
    reserve: Reserve | None = None
    auth: tuple[Lending, ...] = ()

    def canonical(self, authority: Authority) -> Authority:
        """The authority that keys use: an alias is the block's single exact host."""
        if authority in self.aliases:
            only = self.hosts[0]
            return Authority(only.host, only.port)
        return authority

    def serves(self, authority: Authority) -> bool:
        """Whether the block names this authority, as a host or an alias."""
        return authority in self.aliases or any(pattern.matches(authority) for pattern in self.hosts)

    def knows_us(self, authority: Authority) -> bool:
        """Whether this is the registry or a token host of it: who we are is no business of a redirect's target."""
        return self.serves(authority) or any(pattern.matches(authority) for pattern in self.token_hosts)

    def names(self, authority: Authority) -> bool:
        """Whether the operator named this host anywhere in the block, so that it may be private."""
        named = (*self.hosts, *self.token_hosts, *self.redirect_hosts)
        return authority in self.aliases or any(pattern.matches(authority) for pattern in named)
