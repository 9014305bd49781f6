"""A tier's `match`, resolved: a tree of tests over one request, each a pure and total function."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from regproxy.model.address import Address
from regproxy.model.decision import PolicyRequest


@dataclass(frozen=True, slots=True)
class Anything:
    """`any`."""


@dataclass(frozen=True, slots=True)
class Predicate:
    """One test; a missing attribute never passes it, so it always passes when `negated`."""

    attribute: str
    written: str
    negated: bool
    test: Callable[[PolicyRequest], bool]

    def holds(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        return self.test(request) != self.negated


@dataclass(frozen=True, slots=True)
class Not:
    """`not …`."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class Every:
    """`… and …`."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`… or …`."""

    parts: tuple["Condition", ...]


Condition = Anything | Predicate | Not | Every | Either


def holds(condition: Condition, request: PolicyRequest) -> bool:
    """Whether a request fulfils a condition."""
    match condition:
        case Anything():
            return True
        case Predicate():
            return condition.holds(request)
        case Not(inner):
            return not holds(inner, request)
        case Every(parts):
            return all(holds(part, request) for part in parts)
        case Either(parts):
            return any(holds(part, request) for part in parts)
        case _:
            assert_never(condition)


def possible(condition: Condition, known: Callable[[Predicate], bool | None]) -> bool | None:
    """Three-valued `holds`: `known` says what is certain of a predicate, None when it depends."""
    match condition:
        case Anything():
            return True
        case Predicate():
            return known(condition)
        case Not(inner):
            turned = possible(inner, known)
            return None if turned is None else not turned
        case Every(parts):
            values = [possible(part, known) for part in parts]
            return False if False in values else (None if None in values else True)
        case Either(parts):
            values = [possible(part, known) for part in parts]
            return True if True in values else (None if None in values else False)
        case _:
            assert_never(condition)


def predicates(condition: Condition) -> Iterator[Predicate]:
    """Every test in a condition, in the order written."""
    match condition:
        case Anything():
            return
        case Predicate():
            yield condition
        case Not(inner):
            yield from predicates(inner)
        case Every(parts) | Either(parts):
            for part in parts:
                yield from predicates(part)
        case _:
            assert_never(condition)


def host_of(request: PolicyRequest) -> str:
    """The host without its port."""
    return split_authority(request.authority)[0]


def split_authority(authority: str) -> tuple[str, str]:
    """Host (without brackets) and port; 443 when there is none."""
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host, port = authority, "443"
    return host.removeprefix("[").removesuffix("]"), port


def client_address(request: PolicyRequest) -> Address | None:
    """The client's address, IPv4 also where it came mapped into IPv6."""
    try:
        address = ipaddress.ip_address(request.client)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


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
