"""Name constraints of a CA (RFC 5280 §4.2.1.10): which names clients accept from it, and how few entries say so."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509

from regproxy.model.address import Address, Network, canonical_host

_EVERY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def as_address(name: str) -> Address | None:
    """The literal address that a canonical host is, or None for a DNS name."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Constraints:
    """The constraints of one certificate; None stands for "no subtree of this form", which permits every name."""

    permitted_names: tuple[str, ...] | None = None
    excluded_names: tuple[str, ...] = ()
    permitted_networks: tuple[Network, ...] | None = None
    excluded_networks: tuple[Network, ...] = ()

    def permits(self, name: str) -> bool:
        """Whether a leaf for this canonical host passes: not excluded, and permitted where its form is listed."""
        address = as_address(name)
        if address is not None:
            if any(address in network for network in self.excluded_networks):
                return False
            return self.permitted_networks is None or any(address in network for network in self.permitted_networks)
        if any(_within(name, subtree) for subtree in self.excluded_names):
            return False
        return self.permitted_names is None or any(_within(name, subtree) for subtree in self.permitted_names)


def _within(name: str, subtree: str) -> bool:
    """A subtree holds itself and every name below it; with a leading dot, as OpenSSL and Go read it, only those."""
    name, subtree = name.lower(), subtree.lower()
    if not subtree:
        return True
    return name.endswith(subtree) if subtree.startswith(".") else f".{name}".endswith(f".{subtree}")


def constraints_of(certificate: x509.Certificate) -> Constraints | None:
    """The name constraints that a certificate carries; None when it has none for DNS names or addresses."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    permitted, excluded = list(found.permitted_subtrees or ()), list(found.excluded_subtrees or ())
    read = Constraints(_names(permitted) or None, _names(excluded), _networks(permitted) or None, _networks(excluded))
    return None if read == Constraints() else read


def _names(subtrees: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(subtree.value for subtree in subtrees if isinstance(subtree, x509.DNSName))


def _networks(subtrees: Iterable[x509.GeneralName]) -> tuple[Network, ...]:
    values = (subtree.value for subtree in subtrees if isinstance(subtree, x509.IPAddress))
    return tuple(value for value in values if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network))


def extension(permits: Iterable[str]) -> x509.NameConstraints:
    """The extension of a new CA: these DNS subtrees and no address at all.

    Without the excluded networks a leaf for an address would escape, since DNS subtrees bind only DNS names.
    """
    names = [x509.DNSName(name) for name in minimal(permits)]
    return x509.NameConstraints(names, [x509.IPAddress(network) for network in _EVERY_ADDRESS])


def minimal(permits: Iterable[str]) -> tuple[str, ...]:
    """The fewest DNS subtrees that hold all of these names, sorted; `*.x` and `.x` mean `x`.

    Raises ValueError for what is no DNS name: constraints know neither ports nor, here, addresses.
    """
    names = {_subtree(text) for text in permits}
    if not names:
        raise ValueError("a CA that permits no name at all is of no use: name one with --ca-permit")
    return tuple(sorted(name for name in names if not any(_within(name, other) for other in names if other != name)))


def _subtree(text: str) -> str:
    bare = text.strip().removeprefix("*").removeprefix(".")
    try:
        name = canonical_host(bare)
    except ValueError:
        raise ValueError(f"{text[:80]!r} is no name to permit: give a DNS name, without port") from None
    if as_address(name) is not None:
        raise ValueError(
            f"{text[:80]!r} is no name to permit: this CA permits no addresses; give the registry a DNS name, "
            "or bring your own CA"
        )
    return name
