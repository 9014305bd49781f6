"""The authorities that requests can reach the tiers by: the hosts that every one of some policies intercepts."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from regproxy.model.address import Authority
from regproxy.model.registry import HostPattern
from regproxy.policy.policy import Policy
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.domain import Test, explore
from regproxy.rehearsal.grammars import label_grammar


@dataclass(frozen=True, slots=True)
class Place:
    """One authority, which may stand for others that nothing tells from it, and each policy's registry for it."""

    authority: Authority
    registries: tuple[str, ...]


def places(policies: Sequence[Policy], tests: Iterable[Test], budget: Budget) -> tuple[Place, ...]:
    """The authorities of all policies, in their order; `tests` are what is asked of hosts. Raises UndecidedError."""
    patterns = dict.fromkeys(
        pattern for policy in policies for registry in policy.registries for pattern in registry.hosts
    )
    named = [(None, host.pattern.host) for policy in policies for host in policy.hosts if not host.pattern.wildcard]
    asked = tuple(dict.fromkeys([*named, *tests]))
    found: dict[Authority, Place] = {}
    for pattern in patterns:
        for host in _hosts(pattern, asked, budget):
            authority = Authority(host, pattern.port)
            registries = tuple(_registry(policy, authority) for policy in policies)
            if all(registries):
                found.setdefault(authority, Place(authority, registries))
    return tuple(found.values())


def _hosts(pattern: HostPattern, tests: Collection[Test], budget: Budget) -> Iterator[str]:
    if not pattern.wildcard:
        yield pattern.host
        return
    behind = f".{pattern.host}"
    possible = tuple(test for test in tests if test[0] is not None or test[1].endswith(behind))
    yield from explore([label_grammar(pattern.host)], possible, budget).words


def _registry(policy: Policy, authority: Authority) -> str:
    """The block that intercepts this authority under this name; empty when none does."""
    registry = policy.registry_of(authority)
    if registry is None or not registry.intercept or registry.canonical(authority) != authority:
        return ""
    return registry.name
