"""A policy's tiers as regions: what each matches, what is left for it, and what no tier takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regproxy.policy.tier import Tier
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.region import Region, intersect, subtract
from regproxy.rehearsal.shapes import SHAPES, Shape
from regproxy.rehearsal.space import Space

MAX_NAMED = 5
Regions = Mapping[Shape, Region]


@dataclass(frozen=True, slots=True)
class Claim:
    """One tier: what fulfils its match, and what of that no earlier tier takes."""

    tier: Tier
    matched: Regions
    taken: Regions


@dataclass(frozen=True, slots=True)
class Survey:
    """All tiers in order, and what is left over behind the last."""

    claims: Sequence[Claim]
    left: Regions


def listed(names: Sequence[str]) -> str:
    """Tiers by their names, the first MAX_NAMED of them."""
    shown = [f"`{name}`" for name in names[:MAX_NAMED]]
    if len(names) > MAX_NAMED:
        shown.append(f"{len(names) - MAX_NAMED} more")
    *first, last = shown
    return f"tiers {', '.join(first)} and {last}" if first else f"tier {last}"


def survey(space: Space, policy: int, budget: Budget) -> Survey:
    """The regions of one policy of a space; raises UndecidedError."""
    left: Regions = {shape: (space.every(shape),) for shape in SHAPES}
    claims = []
    for tier in space.policies[policy].tiers:
        matched = {shape: space.region(tier.condition, shape, policy) for shape in SHAPES}
        taken = {shape: intersect(matched[shape], left[shape], budget) for shape in SHAPES}
        left = {shape: subtract(left[shape], matched[shape], budget) for shape in SHAPES}
        claims.append(Claim(tier, matched, taken))
    return Survey(claims, left)
