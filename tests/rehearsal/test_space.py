"""Regions against decisions: a request lies in the region of the tier that takes it, and in no other."""

from dataclasses import replace
from random import Random

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from regproxy.model.decision import PolicyRequest
from regproxy.policy.condition import predicates
from regproxy.policy.policy import UNMATCHED, Policy
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.region import Region
from regproxy.rehearsal.shapes import SHAPES, Shape
from regproxy.rehearsal.space import VARIABLES, Space, Variable
from regproxy.rehearsal.survey import survey
from tests.rehearsal.generated import METHODS, Requests, expressions, policy

STEPS = 20_000_000


def shape_of(request: PolicyRequest) -> Shape:
    reference = "tag" if request.tag else "digest" if request.digest else ""
    return next(one for one in SHAPES if one.kind == request.kind and one.reference == reference)


def verdicts(asked: Policy, variable: Variable, request: PolicyRequest) -> list[bool]:
    """What every operand that looks at a variable says, by the code that decides."""
    # A group admits by address or by user: each is looked at without the other.
    alone = {Variable.CLIENT: replace(request, user=""), Variable.USER: replace(request, client="")}
    request = alone.get(variable, request)
    looked_at = Variable.CLIENT if variable is Variable.USER else variable
    return [
        operand.admits(request)
        for tier in asked.tiers
        for predicate in predicates(tier.condition)
        for operand in predicate.operands
        if VARIABLES.get(predicate.attribute) is looked_at
    ]


def with_word(space: Space, request: PolicyRequest, variable: Variable, at: int) -> PolicyRequest:
    """The request with the word of a cell in the place of its own."""
    word = space.domains(shape_of(request))[variable].words[at]
    match variable:
        case Variable.METHOD:
            return replace(request, method=word)
        case Variable.AUTHORITY:
            place = space.places[at]
            return replace(request, authority=str(place.authority), registry=place.registries[0])
        case Variable.REPOSITORY:
            return replace(request, repository=word)
        case Variable.REFERENCE:
            return replace(request, tag=word) if request.tag else replace(request, digest=word)
        case Variable.PATH:
            return replace(request, path=word)
        case Variable.CLIENT:
            return replace(request, client=word)
        case Variable.USER:
            return replace(request, user=word)


def cells(space: Space, asked: Policy, request: PolicyRequest, variable: Variable) -> int:
    """The cells whose words all operands judge as they judge the request's own."""
    domain = space.domains(shape_of(request))[variable]
    if len(domain.words) == 1:
        return 1
    own = verdicts(asked, variable, request)
    found = 0
    for at in range(len(domain.words)):
        if verdicts(asked, variable, with_word(space, request, variable, at)) == own:
            found |= 1 << at
    assert found, f"no cell for the {variable.name} of {request}"
    return found


def holds(region: Region, point: list[int]) -> bool:
    return any(all(box[at] & cells for at, cells in enumerate(point)) for box in region)


@given(st.lists(expressions(), min_size=1, max_size=5), st.integers(0, 1 << 32))
@example([r"tag matches '(?i)latest' or tag matches '.*é.*'"], 0)
@settings(max_examples=150, deadline=None)
def test_a_request_lies_in_the_region_of_the_tier_that_takes_it(matches: list[str], seed: int) -> None:
    asked = policy(matches)
    budget = Budget(STEPS)
    space = Space([asked], budget)
    # What is not read exactly may hold or not: of that no request is in one region only.
    assume(not space.free)
    surveyed = survey(space, 0, budget)
    requests = Requests(Random(seed))
    for _ in range(12):
        request = requests.one(asked)
        point = [cells(space, asked, request, variable) for variable in Variable]
        shape = shape_of(request)
        taking = [claim.tier.name for claim in surveyed.claims if holds(claim.taken[shape], point)]
        decided = asked.on_request(request)
        assert taking == ([] if decided is UNMATCHED else [decided.tier])
        assert holds(surveyed.left[shape], point) is (decided is UNMATCHED)


def test_the_methods_of_the_requests_are_those_of_a_policy_and_one_that_none_can_name() -> None:
    space = Space([policy(["any"])], Budget(STEPS))
    assert len(set(METHODS) - set(space.domains(SHAPES[0])[Variable.METHOD].words)) == 1
