"""Each state and each boundary of the plan, with a virtual clock."""

import math

import pytest

from regproxy.freshness.lifetime import Absent, Known, Validated, fresh_until
from regproxy.freshness.plan import Fetch, Pass, Plan, Refuse, Revalidate, Serve, plan
from regproxy.model.decision import Cached, Denied, Failures, Negative, Passed, Revalidation, StaleIfError, Terms

OUTAGE = Failures(statuses=frozenset({429}))
TERMS = Terms(
    fresh=100,
    stale_while_revalidate=50,
    stale_if_error=StaleIfError(200, OUTAGE),
    revalidate=Revalidation("head", within=2),
    negative=Negative(frozenset({404}), 10),
)


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        (None, 0, Fetch()),
        (Validated(0), 0, Serve()),
        (Validated(0), 99.9, Serve()),
        (Validated(0), 100, Serve(refresh=True)),
        (Validated(0), 149.9, Serve(refresh=True)),
        (Validated(0), 150, Revalidate("head", 2)),
        (Validated(0), 299.9, Revalidate("head", 2)),
        (Validated(0), 300, Revalidate("head", None)),
        (Validated(0, gone_at=0), 5, Serve(negative=True)),
        (Validated(0, gone_at=0), 11, Revalidate("head", None)),
        (Absent(404, 0), 9.9, Serve(negative=True)),
        (Absent(404, 0), 10, Fetch()),
        (Absent(410, 0), 1, Fetch()),
        (Validated(1000), 1099.9, Serve()),
        (Validated(1000), 1100, Serve(refresh=True)),
        (Validated(1000), 1299.9, Revalidate("head", 2)),
        (Absent(404, 1000), 1009.9, Serve(negative=True)),
    ],
)
def test_a_stored_answer_passes_through_its_windows(known: Known | None, now: float, expected: Plan) -> None:
    assert plan(Cached("t", TERMS), known, now) == expected


def test_fresh_for_nothing_is_always_asked_again_and_forever_never() -> None:
    assert plan(Cached("t", Terms()), Validated(0), 0) == Revalidate("head", None)
    assert plan(Cached("t", Terms(fresh=math.inf)), Validated(0), 1e12) == Serve()
    assert plan(Cached("t", Terms(fresh=math.inf)), Validated(1000), 0) == Serve()


def test_a_tier_that_covers_no_error_and_no_absence_is_not_patient_and_remembers_none() -> None:
    plain = Cached("t", Terms(fresh=100, revalidate=Revalidation("head", within=2)))
    assert plan(plain, Validated(0), 101) == Revalidate("head", None)
    assert plan(plain, Validated(0, gone_at=0), 1) == Revalidate("head", None)
    assert plan(plain, Absent(404, 0), 1) == Fetch()


def test_a_clock_that_went_back_makes_an_answer_stale_not_fresh() -> None:
    assert plan(Cached("t", TERMS), Validated(1000), 0) == Revalidate("head", None)
    assert plan(Cached("t", TERMS), Validated(1200), 1000) == Revalidate("head", 2)
    assert plan(Cached("t", TERMS), Validated(1201), 1000) == Revalidate("head", None)


def test_a_shorter_lifetime_counts_at_once_for_what_is_stored() -> None:
    assert plan(Cached("t", Terms(fresh=100)), Validated(0), 50) == Serve()
    assert plan(Cached("t", Terms(fresh=10)), Validated(0), 50) == Revalidate("head", None)


def test_passed_and_denied_requests_never_look_at_what_is_stored() -> None:
    assert plan(Passed("t"), Validated(0), 0) == Pass()
    assert plan(Denied("t", 403, "no"), Validated(0), 0) == Refuse(403, "no")


def test_only_if_cached_is_answered_here_or_not_at_all() -> None:
    assert plan(Cached("t", TERMS), Validated(0), 0, only_if_cached=True) == Serve()
    found = plan(Cached("t", TERMS), None, 0, only_if_cached=True)
    assert isinstance(found, Refuse)
    assert found.status == 504


@pytest.mark.parametrize(
    ("known", "fresh", "now", "until"),
    [
        (Validated(10), 100, 50, 110),
        (Validated(10), 100, 110, 0),
        (Validated(10), 0, 10, 0),
        (Validated(10), 100, 5, 0),
        (Validated(10), math.inf, 1e9, math.inf),
        (Validated(10, gone_at=20), math.inf, 30, 0),
    ],
)
def test_freshness_ends_when_it_was_granted_to(known: Validated, fresh: float, now: float, until: float) -> None:
    assert fresh_until(known, Terms(fresh=fresh), now) == until
