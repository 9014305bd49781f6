"""What changes from one policy to another: requests that are decided otherwise, connections, and settings.

A tier that is only called otherwise changes nothing. A difference between requests comes with one that both policies
decided. Where none is found, or where the work is too much, that is said, and the policies do not count as equal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from regproxy.model.address import parse_authority
from regproxy.model.decision import Decision, PolicyRequest
from regproxy.policy.policy import UNMATCHED, Policy
from regproxy.rehearsal.blocks import setting_changes
from regproxy.rehearsal.budget import Budget, UndecidedError
from regproxy.rehearsal.change import Change
from regproxy.rehearsal.connections import connection_changes
from regproxy.rehearsal.explain import decision_in_words
from regproxy.rehearsal.overlap import STEPS_PER_PAIR, outcome
from regproxy.rehearsal.region import intersect
from regproxy.rehearsal.shapes import SHAPES
from regproxy.rehearsal.space import Space
from regproxy.rehearsal.survey import Regions, Survey, survey
from regproxy.rehearsal.witness import in_words, witness

MAX_STEPS = 10_000_000
MAX_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, at most MAX_CHANGES; tiers that are only renamed, old and new; and what could not be decided."""

    changes: tuple[Change, ...]
    renamed: tuple[tuple[str, str], ...]
    undecided: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether both policies are proved to behave alike."""
        return not self.changes and not self.undecided


def difference(old: Policy, new: Policy) -> Difference:
    """Compare two policies; hosts that only one of them intercepts are compared as connections."""
    comparison = _Comparison(old, new)
    undecided = []
    changes: list[Change] = []
    try:
        changes += setting_changes(old, new, comparison.budget)
        changes += connection_changes(old, new, comparison.budget)
        changes += comparison.requests()
    except UndecidedError:
        undecided.append("the policies ask more than can be worked out in a few seconds")
    undecided += comparison.unconfirmed
    if len(changes) > MAX_CHANGES:
        undecided.append(f"{len(changes) - MAX_CHANGES} more changes are not shown")
    return Difference(tuple(changes[:MAX_CHANGES]), tuple(comparison.renamed), tuple(undecided))


class _Comparison:
    """Two policies over the requests that both intercept."""

    def __init__(self, old: Policy, new: Policy) -> None:
        self.old = old
        self.new = new
        self.budget = Budget(MAX_STEPS)
        self.renamed: dict[tuple[str, str], None] = {}
        self.unconfirmed: list[str] = []

    def requests(self) -> Iterator[Change]:
        """One change for each pair of an old and a new tier that share requests and decide them otherwise."""
        space = Space([self.old, self.new], self.budget)
        if not space.places:
            return
        before, after = (survey(space, policy, self.budget) for policy in (0, 1))
        for one, theirs in _decided(before):
            for other, ours in _decided(after):
                self.budget.spend(STEPS_PER_PAIR)
                shared = {shape: intersect(theirs[shape], ours[shape], self.budget) for shape in SHAPES}
                if any(shared.values()):
                    yield from self._compared(space, one, other, shared)

    def _compared(self, space: Space, one: Decision, other: Decision, shared: Regions) -> Iterator[Change]:
        if outcome(one) == outcome(other):
            if one.tier != other.tier:
                self.renamed[one.tier, other.tier] = None
            return

        def confirm(request: PolicyRequest) -> bool:
            return self.old.on_request(request) == one and self._on_new(request) == other

        found = witness(space, shared, confirm)
        if found is None:
            self.unconfirmed.append(f"whether a request of tier {one.tier} is one of tier {other.tier} now")
            return
        yield Change(in_words(found), decision_in_words(one), decision_in_words(other))

    def _on_new(self, request: PolicyRequest) -> object:
        """The new policy's decision: its block for the authority may be called otherwise."""
        registry = self.new.registry_of(parse_authority(request.authority, 443))
        return self.new.on_request(replace(request, registry=registry.name if registry is not None else ""))


def _decided(surveyed: Survey) -> Iterator[tuple[Decision, Regions]]:
    """Every decision of a policy with the requests that get it, what no tier takes last."""
    yield from ((claim.tier.decision, claim.taken) for claim in surveyed.claims)
    yield UNMATCHED, surveyed.left
