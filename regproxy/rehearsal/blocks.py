"""What changes from one policy to another in settings that no request shows."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from regproxy.model.access import Access
from regproxy.model.address import Network
from regproxy.model.entry import CacheLimits
from regproxy.model.group import ClientGroup
from regproxy.model.registry import Registry
from regproxy.model.tunnel import TunnelRules
from regproxy.model.warm import Warm
from regproxy.policy.images import image_name
from regproxy.policy.policy import Policy
from regproxy.policy.words import clock, duration, percentage, size
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.change import Change
from regproxy.rehearsal.places import places

# What a connection shows, or what is no setting.
_SHOWN = frozenset({"name", "hosts", "aliases", "intercept", "scheme"})


def setting_changes(old: Policy, new: Policy, budget: Budget) -> Iterator[Change]:
    """Settings that differ; those of registries by their names alone, as values may be secrets.

    Raises UndecidedError.
    """
    before, after = old.cache, new.cache
    yield from _change("cache size", size(before.size), size(after.size))
    yield from _change("cache inactive", duration(before.inactive), duration(after.inactive))
    yield from _change("cache min-free", _free(before), _free(after))
    yield from _change("cache max-object", _largest(before), _largest(after))
    yield from _change("cache evict", before.evict, after.evict)
    yield from _change("cache durability", before.durability, after.durability)
    yield from _tunnel_changes(old.connecting.tunnel, new.connecting.tunnel)
    yield from _change("access", *map(_access, (old.access, new.access)))
    if _hashes(old) != _hashes(new):
        yield Change("users of the proxy", "as they are", "others, or other passwords")
    warm = [{block.name: block for block in policy.warm} for policy in (old, new)]
    for name in {**warm[0], **warm[1]}:
        yield from _change(f"warm {name}", *(_warm(blocks.get(name)) for blocks in warm))
    for before_block, after_block in _pairs(old, new, budget):
        changed = _changed(before_block, after_block)
        if changed:
            yield Change(f"settings of registry {after_block.name}", "as they are", f"other {', '.join(changed)}")


def _tunnel_changes(old: TunnelRules, new: TunnelRules) -> Iterator[Change]:
    rules = old, new
    yield from _change("tunnel allow-address", *(_listed(one.allow_address) for one in rules))
    yield from _change("tunnel proxy", *(str(one.proxy.authority) if one.proxy else "none" for one in rules))
    if old.proxy != new.proxy and (old.proxy and old.proxy.authority) == (new.proxy and new.proxy.authority):
        yield Change("tunnel proxy's credential", "as it is", "another, or from elsewhere")
    yield from _change("tunnel no-proxy", *(_listed((*one.no_proxy, *one.no_proxy_address)) for one in rules))
    yield from _change("tunnel connect-timeout", *(duration(one.connect) for one in rules))
    yield from _change("tunnel idle-timeout", *(duration(one.idle) for one in rules))


def _listed(places: Iterable[str | Network]) -> str:
    return " ".join(sorted(map(str, places))) or "none"


def _access(access: Access) -> str:
    """Who is let in, by what the groups are and not by what they are called."""
    denied = _clients(access.deny)
    return (_clients(access.allow) or "everybody") + (f", but not {denied}" if denied else "")


def _clients(groups: Iterable[ClientGroup]) -> str:
    addresses = {str(network) for group in groups for network in group.addresses}
    return " ".join([*sorted(addresses), *sorted({f"user {user}" for group in groups for user in group.users})])


def _hashes(policy: Policy) -> Mapping[str, str]:
    return policy.access.users.hashes if policy.access.users is not None else {}


def _pairs(old: Policy, new: Policy, budget: Budget) -> Iterator[tuple[Registry, Registry]]:
    """The old and the new block of each host that both intercept, or name in the same words."""
    blocks = [{registry.name: registry for registry in policy.registries} for policy in (old, new)]
    theirs = {pattern: registry.name for registry in new.registries for pattern in registry.hosts}
    named = [(one.name, theirs[host]) for one in old.registries for host in one.hosts if host in theirs]
    shared = [(place.registries[0], place.registries[1]) for place in places((old, new), (), budget)]
    yield from ((blocks[0][one], blocks[1][other]) for one, other in dict.fromkeys([*named, *shared]))


def _free(limits: CacheLimits) -> str:
    return percentage(limits.min_free_share) if limits.min_free_share else size(limits.min_free)


def _largest(limits: CacheLimits) -> str:
    return "no limit" if math.isinf(limits.max_object) else size(int(limits.max_object))


def _warm(block: Warm | None) -> str:
    if block is None:
        return "none"
    hours = f" between {clock(block.hours.begin)} and {clock(block.hours.end)}" if block.hours is not None else ""
    platforms = f" for {' '.join(block.platforms)}" if block.platforms else ""
    return f"{' '.join(map(image_name, block.images))} every {duration(block.every)}{platforms}{hours}"


def _change(subject: str, old: str, new: str) -> Iterator[Change]:
    if old != new:
        yield Change(subject, old, new)


def _changed(old: Registry, new: Registry) -> list[str]:
    """The names of the settings in which two blocks differ."""
    names = (field.name for field in fields(Registry) if field.name not in _SHOWN)
    return [name.replace("_", "-") for name in names if getattr(old, name) != getattr(new, name)]
