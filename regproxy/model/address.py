"""Names and addresses: one canonical spelling of an authority, and one frozen table of what may be dialled.

`ipaddress.is_global` is no filter: it differs by Python version and calls Azure's wire server, NAT64 and multicast
addresses global. The table below is ours and frozen (IANA special-purpose registries, RFC 6890, cloud metadata).
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_NAME = 253
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")


@dataclass(frozen=True, slots=True, order=True)
class Authority:
    """Host and port in canonical form: the identity of a registry, and the first part of every cache key."""

    host: str
    port: int

    def __str__(self) -> str:
        """`host:port`, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """The authority as people write it: without the port when it is 443."""
        return str(self).removesuffix(":443") if self.port == 443 else str(self)


def canonical_host(text: str) -> str:
    """The one spelling of a host that access rules and keys use.

    Lower case, one trailing dot removed, letters-digits-hyphen labels or a literal address; raises ValueError for
    anything else: numeric spellings (`2130706433`, `0x7f.1`), userinfo, escapes, zone ids, Unicode.
    """
    host = text.lower()
    if host.startswith("[") or ":" in host:
        inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            return str(ipaddress.IPv6Address(inner)) if "%" not in inner else _bad(text)
        except ValueError:
            return _bad(text)
    host = host.removesuffix(".")
    if not host or len(host) > MAX_NAME:
        return _bad(text)
    labels = host.split(".")
    if _NUMERIC.match(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return _bad(text)
    if not all(_LABEL.match(label) for label in labels):
        return _bad(text)
    return host


def _bad(text: str) -> str:
    raise ValueError(f"{text[:80]!r} is not a host name or address")


def parse_authority(text: str, default_port: int | None = None) -> Authority:
    """`host:port` in canonical form; without a port `default_port` counts, else ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = text, ""
    if not port:
        if default_port is None:
            raise ValueError(f"{text[:80]!r} has no port")
        return Authority(canonical_host(host), default_port)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(f"{text[:80]!r} has no valid port")
    return Authority(canonical_host(host), int(port))


class Zone(Enum):
    """How far an address is open: to everyone, to hosts the policy names, or to nobody."""

    PUBLIC = "public"
    PRIVATE = "private"
    CLOSED = "closed"


_PRIVATE = tuple(
    ipaddress.ip_network(n) for n in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
# Closed first: a metadata address inside a private range stays closed.
_CLOSED = tuple(
    ipaddress.ip_network(n)
    for n in (
        "0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 "
        "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32 100.100.100.200/32 "
        "::/128 ::1/128 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 "
        "fd00:ec2::254/128 fe80::/10 fec0::/10 ff00::/8"
    ).split()
)
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a mapped, compatible, NAT64 or 6to4 address really reaches."""
    value = int(address)
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (address in _V4_COMPATIBLE and value > 1):
        return ipaddress.IPv4Address(value & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((value >> 80) & 0xFFFFFFFF)
    return None


def zone_of(address: Address) -> Zone:
    """The zone of one address, through every embedding of IPv4 in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return zone_of(inner)
    for network in _CLOSED:
        if address in network:
            return Zone.CLOSED
    return Zone.PRIVATE if any(address in network for network in _PRIVATE) else Zone.PUBLIC


def client_address(text: str) -> Address | None:
    """The address that a client comes from, IPv4 also where it is mapped into IPv6; None for any other text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@dataclass(frozen=True, slots=True)
class Reach:
    """What one use of the network may dial: named hosts reach private addresses, `allow` opens what it lists.

    Without `ipv6` no address of IPv6 is dialled, and names are looked up in IPv4 alone.
    """

    named: bool = False
    allow: tuple[Network, ...] = ()
    listeners: frozenset[Authority] = frozenset()
    ipv6: bool = True

    def refusal(self, address: str, port: int) -> str | None:
        """Why this address may not be dialled, or None; `address` is what the socket really connects to."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return f"{address[:60]} is not an address"
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if Authority(str(ip), port) in self.listeners:
            return f"{ip} port {port} is this proxy itself"
        if ip.version == 6 and not self.ipv6:
            return f"{ip} is an IPv6 address, and IPv6 is off"
        if any(ip in network for network in self.allow if network.version == ip.version):
            return None
        zone = zone_of(ip)
        if zone is Zone.CLOSED:
            return f"{ip} is a loopback, link-local or reserved address"
        if zone is Zone.PRIVATE and not self.named:
            return f"{ip} is a private address"
        return None
