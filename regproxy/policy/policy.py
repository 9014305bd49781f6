"""A loaded policy: immutable, and the whole of what the data path asks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from regproxy.model.address import Authority
from regproxy.model.connect import ConnectDecision
from regproxy.model.decision import Decision, Passed, PolicyRequest
from regproxy.model.entry import CacheLimits
from regproxy.model.registry import Registry
from regproxy.policy.condition import holds, predicates
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.registries import NamedHost
from regproxy.policy.tier import Tier

MAX_REMEMBERED = 4096
UNMATCHED = Passed("unmatched")

_FIELDS = {"host": ("authority",), "repo": ("repository",), "ref": ("tag", "digest")}


@dataclass(frozen=True, eq=False)
class Policy:
    """What one policy file means; `checksum` is the SHA-256 of its texts, hexadecimal."""

    name: str
    checksum: str
    cache: CacheLimits
    tiers: tuple[Tier, ...]
    hosts: tuple[NamedHost, ...]
    connecting: ConnectTable
    _remembered: Callable[[PolicyRequest], Decision]
    _asked: frozenset[str]

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registry blocks."""
        return self.connecting.registries

    def registry_of(self, authority: Authority) -> Registry | None:
        """The block that names this authority as a host or an alias."""
        return self.connecting.registry_of(authority)

    def on_connect(self, authority: Authority, client: str) -> ConnectDecision:
        """What a CONNECT of this client leads to."""
        return self.connecting.decide(authority)

    def on_request(self, request: PolicyRequest) -> Decision:
        """What the first matching tier says; without one the request is passed.

        Answers are remembered (bounded) by those attributes alone that some tier looks at.
        """
        return self._remembered(self._reduced(request))

    def with_cache(self, limits: CacheLimits) -> "Policy":
        """The same policy with other limits of the cache."""
        return replace(self, cache=limits)

    def _reduced(self, request: PolicyRequest) -> PolicyRequest:
        asked = self._asked
        return PolicyRequest(
            method=request.method if "method" in asked else "",
            authority=request.authority if "authority" in asked else "",
            registry=request.registry if "registry" in asked else "",
            kind=request.kind if "kind" in asked else "",
            path=request.path if "path" in asked else "",
            repository=request.repository if "repository" in asked else "",
            tag=request.tag if "tag" in asked else "",
            digest=request.digest if "digest" in asked else "",
            client=request.client if "client" in asked else "",
        )


def make_policy(
    name: str,
    checksum: str,
    *,
    cache: CacheLimits,
    tiers: tuple[Tier, ...],
    hosts: tuple[NamedHost, ...],
    connecting: ConnectTable,
) -> Policy:
    """Compile the parts to a policy."""
    asked = {predicate.attribute for tier in tiers for predicate in predicates(tier.condition)}
    fields = frozenset(field for attribute in asked for field in _FIELDS.get(attribute, (attribute,)))
    remembered = lru_cache(MAX_REMEMBERED)(lambda request: decide(tiers, request))
    return Policy(name, checksum, cache, tiers, hosts, connecting, remembered, fields)


def decide(tiers: tuple[Tier, ...], request: PolicyRequest) -> Decision:
    """The decision of the first tier whose condition holds."""
    for tier in tiers:
        if holds(tier.condition, request):
            return tier.decision
    return UNMATCHED
