"""A loaded policy: immutable, and the whole of what the data path asks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from regproxy.model.access import Access
from regproxy.model.account import Account
from regproxy.model.address import Authority
from regproxy.model.connect import ConnectDecision, Refuse
from regproxy.model.decision import Cached, Decision, Passed, PolicyRequest, Terms
from regproxy.model.egress import Timeouts
from regproxy.model.entry import CacheLimits
from regproxy.model.group import ClientGroup
from regproxy.model.registry import Registry
from regproxy.model.warm import Warm
from regproxy.policy.condition import predicates
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.lender import Lender
from regproxy.policy.matcher import Matcher, Memory
from regproxy.policy.operand import FromNetwork, InGroup
from regproxy.policy.registries import NamedHost
from regproxy.policy.scenario import UNMATCHED_TIER, Scenario
from regproxy.policy.tier import Tier

UNMATCHED = Passed(UNMATCHED_TIER)

_FIELDS = {"host": ("authority",), "repo": ("repository",), "ref": ("tag", "digest"), "client": ("client", "user")}


@dataclass(frozen=True, eq=False)
class Policy:
    """What one policy file means; `checksum` is the SHA-256 of its texts, hexadecimal.

    `looks_at_clients`: who asks may change what is decided.
    """

    name: str
    checksum: str
    cache: CacheLimits
    tiers: tuple[Tier, ...]
    hosts: tuple[NamedHost, ...]
    connecting: ConnectTable
    groups: tuple[ClientGroup, ...]
    access: Access
    tests: tuple[Scenario, ...]
    looks_at_clients: bool
    warm: tuple[Warm, ...]
    _memory: Memory

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registry blocks."""
        return self.connecting.registries

    def registry_of(self, authority: Authority) -> Registry | None:
        """The block that names this authority as a host or an alias."""
        return self.connecting.registry_of(authority)

    @property
    def recheck(self) -> float:
        """After how long a login is asked about again: as soon as any tier asks again who may read."""
        return min((terms.recheck for terms in self._terms()), default=Terms().recheck)

    @property
    def stale_auth(self) -> float:
        """How much longer a login is good while nobody can be asked: as long as any tier goes by it."""
        return max((terms.stale_auth for terms in self._terms()), default=Terms().stale_auth)

    def _terms(self) -> Iterator[Terms]:
        yield from (tier.decision.terms for tier in self.tiers if isinstance(tier.decision, Cached))

    @property
    def looks_at_addresses(self) -> bool:
        """Whether what a client gets depends on where it comes from."""
        reserved = [one.reserve.group for one in self.registries if one.reserve is not None]
        groups = (*self.access.allow, *self.access.deny, *reserved)
        tests = (test for tier in self.tiers for test in predicates(tier.condition) if test.attribute == "client")
        operands = (one for test in tests for one in test.operands if isinstance(one, FromNetwork | InGroup))
        return any(group.addresses for group in groups) or any(one.networks for one in operands)

    def on_connect(self, authority: Authority, client: str, user: str = "") -> ConnectDecision:
        """What a CONNECT of this client leads to; `user` is who it proved to be, empty for nobody."""
        return self.refusal(client, user) or self.connecting.decide(authority)

    def refusal(self, client: str, user: str) -> Refuse | None:
        """Why this client may not use the proxy, or None."""
        return self.access.refusal(client, user)

    def on_request(self, request: PolicyRequest) -> Decision:
        """What the first matching tier says; without one the request is passed.

        Decisions are remembered, a bounded number of them.
        """
        return self._memory.decide(request)

    def account(
        self, registry: Registry, authority: Authority, repository: str, client: str, user: str = ""
    ) -> Account:
        """Whose credential a request of this client for the repository goes upstream with."""
        return self._lender.account(registry, authority, repository, client, user)

    def own_account(self, registry: Registry, authority: Authority, repository: str) -> Account:
        """Whose credential the proxy's own requests for the repository go upstream with."""
        return self._lender.ours(registry, authority, repository)

    @property
    def exposed(self) -> tuple[str, ...]:
        """The registries with a credential that everyone who can reach the proxy may use."""
        return tuple(one.name for one in self.registries if any(lending.exposed for lending in one.auth))

    @cached_property
    def _lender(self) -> Lender:
        return Lender.of(self.registries)

    def lends(self, registry: Registry, client: str, user: str = "") -> bool:
        """Whether some credential for the registry is lent to this client."""
        return any(lending.lends_to(client, user) for lending in registry.auth)

    def unshared(self) -> "Policy":
        """The same policy for another thread: it remembers its decisions elsewhere."""
        return replace(self, _memory=self._memory.emptied())

    def with_cache(self, limits: CacheLimits) -> "Policy":
        """The same policy with other limits of the cache."""
        return replace(self, cache=limits)

    def with_upstream(self, times: Timeouts, *, verify: bool) -> "Policy":
        """The same policy with these time-outs and this trust for every registry that it names."""
        registries = tuple(
            replace(registry, timeouts=times, tls=replace(registry.tls, verify=verify)) for registry in self.registries
        )
        return replace(self, connecting=replace(self.connecting, registries=registries))

    def with_tunnels(self, connect: float | None, idle: float | None) -> "Policy":
        """The same policy with these time-outs for tunnels, where there are any."""
        rules = self.connecting.tunnel
        rules = replace(rules, connect=connect or rules.connect, idle=idle or rules.idle)
        return replace(self, connecting=replace(self.connecting, tunnel=rules))

    def with_pushes(self) -> "Policy":
        """The same policy with pushes allowed to every registry that it names."""
        registries = tuple(replace(registry, push=True) for registry in self.registries)
        return replace(self, connecting=replace(self.connecting, registries=registries))


def make_policy(
    name: str,
    checksum: str,
    *,
    cache: CacheLimits,
    tiers: tuple[Tier, ...],
    hosts: tuple[NamedHost, ...],
    connecting: ConnectTable,
    groups: tuple[ClientGroup, ...] = (),
    access: Access | None = None,
    tests: tuple[Scenario, ...] = (),
    warm: tuple[Warm, ...] = (),
) -> Policy:
    """Compile the parts to a policy."""
    asked = {predicate.attribute for tier in tiers for predicate in predicates(tier.condition)}
    fields = frozenset(field for attribute in asked for field in _FIELDS.get(attribute, (attribute,)))
    memory = Memory(Matcher(tiers, UNMATCHED), fields)
    allowed, looks = access or Access(), "client" in fields
    return Policy(name, checksum, cache, tiers, hosts, connecting, groups, allowed, tests, looks, warm, memory)
