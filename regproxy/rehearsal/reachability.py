"""What can be proved about the tiers of a policy: those that no request reaches, and requests that no tier takes.

Each request that is named as a witness was decided by the policy itself.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from regproxy.policy.condition import Condition, Either, Every, Not, Predicate
from regproxy.policy.diagnostic import Diagnostic, error, note, warning
from regproxy.policy.load import Loaded, ordered
from regproxy.policy.policy import UNMATCHED, Policy
from regproxy.rehearsal.budget import Budget, UndecidedError
from regproxy.rehearsal.overlap import late_refusals, overlaps
from regproxy.rehearsal.patterns import equal_patterns, idle_patterns
from regproxy.rehearsal.region import meets, subtract
from regproxy.rehearsal.shapes import SHAPES
from regproxy.rehearsal.simpler import long_patterns
from regproxy.rehearsal.space import Space
from regproxy.rehearsal.survey import Claim, Regions, Survey, listed, survey
from regproxy.rehearsal.witness import in_words, witness

MAX_STEPS = 5_000_000
MAX_SHOWN = 5


def findings(policy: Policy, *, notes: bool = True) -> tuple[Diagnostic, ...]:
    """Everything that is proved about a policy; without `notes` errors and warnings only.

    Without a tier there is nothing to prove, and without a registry that is intercepted no request reaches one. Where
    the work is too much a note says so, and what was proved before stands.
    """
    found: list[Diagnostic] = []
    if not policy.tiers or not any(registry.intercept for registry in policy.registries):
        return ()
    budget = Budget(MAX_STEPS)
    try:
        space = Space([policy], budget)
        found += idle_patterns(space)
        surveyed = survey(space, 0, budget)
        found += unreachable(space, surveyed, budget)
        found += uncovered(space, surveyed)
        found += late_refusals(space, surveyed, budget)
        if notes:
            found += _unread(space)
            found += equal_patterns(space)
            found += long_patterns(policy)
            found += overlaps(space, surveyed, budget)
    except UndecidedError:
        if notes:
            found.append(_undecided(policy, "it asks more than can be worked out in a few seconds"))
    return tuple(found)


def prove(loaded: Loaded, *, notes: bool = False) -> Loaded:
    """The same with what is proved about it; a policy with a tier that no request reaches is none."""
    policy = loaded.policy
    if policy is None:
        return loaded
    every = ordered([*loaded.diagnostics, *findings(policy, notes=notes)], loaded.sources)
    return replace(loaded, policy=None if any(one.is_error for one in every) else policy, diagnostics=every)


def _undecided(policy: Policy, why: str) -> Diagnostic:
    """RP405: where the proofs end."""
    return note("RP405", policy.tiers[0].span, "not everything about the tiers could be decided", note=why)


def _unread(space: Space) -> Iterator[Diagnostic]:
    if space.free:
        shown = ", ".join(f"`{one}`" for one in space.free[:MAX_SHOWN])
        yield _undecided(space.policies[0], f"nothing is built on what is not read exactly: {shown}")


def unreachable(space: Space, surveyed: Survey, budget: Budget) -> Iterator[Diagnostic]:
    """RP401 and RP402: tiers that contradict themselves, or that earlier ones leave nothing."""
    for at, claim in enumerate(surveyed.claims):
        name = claim.tier.name
        if not any(claim.matched.values()):
            why = _contradiction(space, claim.tier.condition, budget)
            yield error(
                "RP401",
                claim.tier.span,
                f"tier `{name}` can match no request",
                note=why,
                help="correct it, or delete it",
            )
        elif not any(claim.taken.values()):
            shadows = _shadows(surveyed, at, budget)
            yield error(
                "RP402",
                claim.tier.span,
                f"tier `{name}` is never reached: earlier tiers take every request that it matches",
                note=f"shadowed by {listed(shadows)}{' together' if len(shadows) > 1 else ''}",
                help=f"move it above `{shadows[0]}`, or delete it",
            )


def _contradiction(space: Space, condition: Condition, budget: Budget) -> str:
    """The test that nothing passes, or two that exclude each other, where it is as simple as that."""
    parts = condition.parts if isinstance(condition, Every) else (condition,)
    tests = {_written(part): part for part in parts if _written(part)}
    regions = {text: {shape: space.region(part, shape) for shape in SHAPES} for text, part in tests.items()}
    for text, found in regions.items():
        if not any(found.values()):
            return f"no request that can reach the tiers passes `{text}`"
    if isinstance(condition, Either):
        return "no request that can reach the tiers passes one of its tests"
    for one, other in combinations(regions, 2):
        if not any(meets(regions[one][shape], regions[other][shape], budget) for shape in SHAPES):
            return f"`{one}` and `{other}` exclude each other"
    return ""


def _written(condition: Condition) -> str:
    match condition:
        case Predicate(written=written):
            return written
        case Not(Predicate(written=written)):
            return f"not {written}"
        case _:
            return ""


def _shadows(surveyed: Survey, at: int, budget: Budget) -> list[str]:
    """One earlier tier that takes all that a tier matches, or else those that take it together."""
    wanted = surveyed.claims[at].matched
    earlier = surveyed.claims[:at]
    for claim in earlier:
        if all(not subtract(wanted[shape], claim.matched[shape], budget) for shape in SHAPES):
            return [claim.tier.name]
    return [claim.tier.name for claim in earlier if _takes(claim, wanted, budget)]


def _takes(claim: Claim, wanted: Regions, budget: Budget) -> bool:
    return any(meets(claim.taken[shape], wanted[shape], budget) for shape in SHAPES)


def uncovered(space: Space, surveyed: Survey) -> Iterator[Diagnostic]:
    """RP404: a request that no tier takes."""
    policy = space.policies[0]
    found = witness(space, surveyed.left, lambda one: policy.on_request(one) is UNMATCHED)
    if found is not None:
        yield warning(
            "RP404",
            policy.tiers[-1].span,
            "some requests match no tier: they are passed, and nothing is stored",
            note=f"for example {in_words(found)}",
            help="say so in a last tier: `tier rest { match any; pass; }`",
        )
