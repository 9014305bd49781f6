"""Clients, cut by the ranges of addresses and by the users that a policy names."""

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import pairwise

from regproxy.model.address import Address, Network
from regproxy.rehearsal.domain import Domain, Test

_WHOLE: tuple[Network, ...] = (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0"))
# An IPv4 client that comes so is judged as IPv4.
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_SAMPLES = tuple(ipaddress.ip_address(one) for one in ("192.0.2.1", "10.0.0.1", "2001:db8::1"))


def clients(networks: Iterable[Network]) -> Domain:
    """The cells of all addresses; without a range no address is told from another."""
    named = tuple(dict.fromkeys(networks))
    if not named:
        return Domain()
    cells = sorted((cell for whole in _WHOLE for cell in _cells(whole, named)), key=_rank)
    tests: dict[Test, int] = {
        (None, str(network)): sum(1 << at for at, address in enumerate(cells) if address in network)
        for network in named
    }
    return Domain(tuple(str(address) for address in cells), tests)


def users(names: Iterable[str]) -> Domain:
    """The users that a policy names, and nobody, from whom no other user is told."""
    words = ("", *dict.fromkeys(names))
    return Domain(words, {(None, word): 1 << at for at, word in enumerate(words)})


def _cells(whole: Network, named: tuple[Network, ...]) -> Iterator[Address]:
    """One address of each stretch that no range begins or ends in."""
    inner = [network for network in (*named, _MAPPED) if network.version == whole.version]
    bounds = sorted({bound for one in (whole, *inner) for bound in _bounds(one)})
    for first, behind in pairwise(bounds):
        sample = next((one for one in _SAMPLES if one.version == whole.version and first <= int(one) < behind), None)
        address = sample or whole[first + 1 if behind - first > 2 else first]
        if address not in _MAPPED:
            yield address


def _bounds(network: Network) -> tuple[int, int]:
    """The first address, and the one behind the last, as numbers."""
    first = int(network.network_address)
    return first, first + network.num_addresses


def _rank(address: Address) -> int:
    return _SAMPLES.index(address) if address in _SAMPLES else len(_SAMPLES)
