"""A policy with its names replaced, so that it can be shown to strangers and still loads.

A name becomes the beginning of its SHA-256: the same name is the same hash everywhere. That hides names from readers;
who guesses a name can still check the guess. Ports, addresses, tags, digests, times and the names of tiers stay.
"""

import hashlib
import re
from dataclasses import replace
from typing import assert_never

from regproxy.model.access import Access
from regproxy.model.address import MAX_NAME, Authority
from regproxy.model.decision import Decision, Denied
from regproxy.model.group import ClientGroup
from regproxy.model.registry import ConnectTo, HostPattern, ParentProxy, Registry
from regproxy.model.tunnel import TunnelRules
from regproxy.model.warm import Warm
from regproxy.policy.condition import Anything, Condition, Either, Every, Not, Predicate
from regproxy.policy.connecting import ConnectTable, is_literal
from regproxy.policy.operand import Exactly, FromNetwork, InGroup, Matching, OnHost, OnHostLike, Operand
from regproxy.policy.pattern import Anchor, Pattern, compile_glob, compile_regex
from regproxy.policy.policy import Policy, make_policy
from regproxy.policy.tier import Tier

_HASH_DIGITS = 8
# Tags and digests are public words more often than not, and without them a policy says nothing.
_PRIVATE = frozenset({"host", "registry", "repo", "path", "client"})
_LITERAL = re.compile(r"[^*?{},./]+")


def redacted(policy: Policy) -> Policy:
    """The policy with hashes for hosts, registries, clients, repositories, paths, files and the texts of refusals."""
    return make_policy(
        policy.name,
        policy.checksum,
        cache=policy.cache,
        tiers=tuple(_tier(tier) for tier in policy.tiers),
        hosts=tuple(replace(one, registry=_name(one.registry), pattern=_pattern(one.pattern)) for one in policy.hosts),
        connecting=ConnectTable(
            tuple(_registry(registry) for registry in policy.registries), _tunnel(policy.connecting.tunnel)
        ),
        groups=tuple(map(_group, policy.groups)),
        access=_access(policy.access),
        warm=tuple(map(_warm, policy.warm)),
    )


def _name(text: str) -> str:
    return "x" + hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


def _host(host: str) -> str:
    """Label by label, so that names below a domain stay below it; addresses stay."""
    if is_literal(host):
        return host
    name = ".".join(_name(label) for label in host.split("."))
    return name if len(name) <= MAX_NAME else _name(host)


def _authority(authority: Authority) -> Authority:
    return Authority(_host(authority.host), authority.port)


def _pattern(pattern: HostPattern) -> HostPattern:
    return replace(pattern, host=_host(pattern.host))


def _group(group: ClientGroup) -> ClientGroup:
    return replace(group, name=_name(group.name), users=tuple(map(_name, group.users)))


def _access(access: Access) -> Access:
    """The same groups; where users and their passwords lie is a name, and who reads the redacted policy has none."""
    return Access(None, tuple(map(_group, access.allow)), tuple(map(_group, access.deny)))


def _warm(warm: Warm) -> Warm:
    images = tuple(
        replace(key, authority=_authority(key.authority), repository=_path(key.repository)) for key in warm.images
    )
    return replace(warm, name=_name(warm.name), images=images)


def _path(repository: str) -> str:
    return "/".join(map(_name, repository.split("/")))


def _registry(registry: Registry) -> Registry:
    return replace(
        registry,
        name=_name(registry.name),
        hosts=tuple(map(_pattern, registry.hosts)),
        aliases=tuple(map(_authority, registry.aliases)),
        token_hosts=tuple(map(_pattern, registry.token_hosts)),
        redirect_hosts=tuple(map(_pattern, registry.redirect_hosts)),
        connect_to=tuple(ConnectTo(_authority(one.authority), _authority(one.target)) for one in registry.connect_to),
        proxy=_parent(registry.proxy),
        reserve=replace(kept, group=_group(kept.group)) if (kept := registry.reserve) is not None else None,
        auth=(),
        tls=replace(registry.tls, client=None),
        ca_files=tuple(f"/{_name(path)}" for path in registry.ca_files),
    )


def _parent(proxy: ParentProxy | None) -> ParentProxy | None:
    """The proxy without its secret: where that comes from is a name, too, and who reads this has none of it."""
    return ParentProxy(_authority(proxy.authority)) if proxy is not None else None


def _tunnel(rules: TunnelRules) -> TunnelRules:
    return replace(
        rules,
        allow=tuple(map(_glob, rules.allow)),
        deny=tuple(map(_glob, rules.deny)),
        proxy=_parent(rules.proxy),
        no_proxy=tuple(map(_glob, rules.no_proxy)),
    )


def _tier(tier: Tier) -> Tier:
    return replace(tier, condition=_condition(tier.condition), decision=_decision(tier.decision))


def _decision(decision: Decision) -> Decision:
    return replace(decision, text=_name(decision.text)) if isinstance(decision, Denied) else decision


def _condition(condition: Condition) -> Condition:
    match condition:
        case Not(inner):
            return Not(_condition(inner))
        case Every(parts):
            return Every(tuple(map(_condition, parts)))
        case Either(parts):
            return Either(tuple(map(_condition, parts)))
        case Predicate(attribute=attribute) if attribute in _PRIVATE:
            return replace(condition, written="", operands=tuple(map(_operand, condition.operands)))
        case Predicate() | Anything():
            return condition
        case _:
            assert_never(condition)


def _operand(operand: Operand) -> Operand:
    match operand:
        case Exactly("registry", text):
            return Exactly("registry", _name(text))
        case Exactly(attribute, text):
            return Exactly(attribute, _glob(text))
        case Matching(attribute, pattern):
            return Matching(attribute, _compiled(pattern))
        case OnHost(host, port):
            return OnHost(_host(host), port)
        case OnHostLike(pattern, port):
            return OnHostLike(_compiled(pattern), port)
        case InGroup(group):
            return InGroup(_group(group))
        case FromNetwork():
            return operand
        case _:
            assert_never(operand)


def _compiled(pattern: Pattern) -> Pattern:
    """A glob keeps its wildcards; of a regular expression nothing can be kept safely."""
    if pattern.anchor is Anchor.ANYWHERE or pattern.regex == pattern.text:
        return compile_regex(_name(pattern.text), pattern.anchor)
    return compile_glob(_glob(pattern.text), pattern.anchor)


def _glob(text: str) -> str:
    """The text between wildcards, dots and slashes hashed; classes of characters go with it."""
    return _LITERAL.sub(lambda found: _name(found[0]), text)
