"""Tiers that match the same requests with different outcomes: which comes first then matters.

A tier that lies within a later one, for each kind that both match, is the later one's exception and meant so: nothing
is said about it.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import assert_never

from regproxy.model.decision import Cached, Decision, Denied, Passed, PolicyRequest, Terms
from regproxy.policy.condition import holds
from regproxy.policy.diagnostic import Diagnostic, note, warning
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.explain import decision_in_words
from regproxy.rehearsal.reference import Rehearsed
from regproxy.rehearsal.region import NOTHING, Region, intersect, meets, subtract
from regproxy.rehearsal.shapes import SHAPES, Shape
from regproxy.rehearsal.space import Space
from regproxy.rehearsal.survey import Claim, Survey, listed
from regproxy.rehearsal.witness import in_words, witness

# What it costs to compare two tiers.
STEPS_PER_PAIR = 40


def outcome(decision: Decision) -> Terms | tuple[int, str] | None:
    """What a decision does, whatever its tier is called."""
    match decision:
        case Cached(terms=terms):
            return terms
        case Denied(status=status, text=text):
            return status, text
        case Passed():
            return None
        case _:
            assert_never(decision)


def late_refusals(space: Space, surveyed: Survey, budget: Budget) -> Iterator[Diagnostic]:
    """RP311: refusals that earlier tiers partly forestall."""
    for at, later in enumerate(surveyed.claims):
        if not isinstance(later.tier.decision, Denied) or not any(later.taken.values()):
            continue
        earlier = [one for one in surveyed.claims[:at] if not isinstance(one.tier.decision, Denied)]
        found = [(one.tier, first) for one in earlier if (first := _taken_first(space, one, later, budget)) is not None]
        if found:
            tier, request = found[0]
            names = [one.name for one, _ in found]
            yield warning(
                "RP311",
                later.tier.span,
                f"tier `{later.tier.name}` comes too late for requests that it shares with {listed(names)}",
                note=f"for example {in_words(request)} gets {decision_in_words(tier.decision)}",
                help=f"move it above `{tier.name}`",
            )


def overlaps(space: Space, surveyed: Survey, budget: Budget) -> Iterator[Diagnostic]:
    """RP403: two tiers share requests, and the earlier is no exception; refusals have RP311, or stand first rightly."""
    for earlier, later in combinations(surveyed.claims, 2):
        first, second = earlier.tier.decision, later.tier.decision
        if outcome(first) == outcome(second) or Denied in (type(first), type(second)) or not any(later.taken.values()):
            continue
        found = _taken_first(space, earlier, later, budget)
        if found is not None:
            yield note(
                "RP403",
                later.tier.span,
                f"tier `{later.tier.name}` shares requests with tier `{earlier.tier.name}`, which takes them",
                note=f"for example {in_words(found)} gets {decision_in_words(first)}",
            )


def _taken_first(space: Space, earlier: Claim, later: Claim, budget: Budget) -> Rehearsed | None:
    """A request that both match and the earlier takes, without being an exception to the later."""
    budget.spend(STEPS_PER_PAIR)
    policy = space.policies[0]
    shared = {shape: _shared(earlier, later, shape, budget) for shape in SHAPES}
    if not any(shared.values()):
        return None

    def confirm(request: PolicyRequest) -> bool:
        return policy.on_request(request).tier == earlier.tier.name and holds(later.tier.condition, request)

    return witness(space, shared, confirm)


def _shared(earlier: Claim, later: Claim, shape: Shape, budget: Budget) -> Region:
    if not meets(earlier.taken[shape], later.matched[shape], budget):
        return NOTHING
    if not subtract(earlier.matched[shape], later.matched[shape], budget):
        return NOTHING
    return intersect(earlier.taken[shape], later.matched[shape], budget)
