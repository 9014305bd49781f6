"""What an upstream's answer or failure means for what is stored."""

import math

import pytest

from regproxy.freshness.lifetime import Absent, Known, Validated
from regproxy.freshness.verdict import Answered, Failed, Freshen, New, Relay, Same, ServeStale, Store, judge
from regproxy.freshness.verdict import Verdict as Judged
from regproxy.model.decision import FailureClass, Failures, Negative, StaleIfError, Terms

ERROR = frozenset(FailureClass)
LISTED = Failures(ERROR, frozenset({429, *range(500, 600)}))
TERMS = Terms(fresh=100, stale_if_error=StaleIfError(200, LISTED))
STALE = Validated(0)


@pytest.mark.parametrize(
    ("known", "upstream", "now", "expected"),
    [
        (STALE, Same(), 150, Freshen()),
        (STALE, New(), 150, Store()),
        (None, New(), 150, Store()),
        (STALE, Answered(429), 150, ServeStale()),
        (STALE, Answered(503), 299.9, ServeStale()),
        (STALE, Answered(503), 300, Relay()),
        (None, Answered(503), 150, Relay()),
        (Absent(404, 0), Answered(503), 5, Relay()),
        (STALE, Answered(401), 150, Relay()),
        (STALE, Answered(403), 150, Relay()),
        (STALE, Answered(404), 150, Relay()),
        (STALE, Answered(410), 150, Relay()),
        (STALE, Failed(FailureClass.CONNECT), 150, ServeStale()),
        (STALE, Failed(FailureClass.DNS), 300, Relay()),
        (Validated(0, gone_at=50), Failed(FailureClass.CONNECT), 150, Relay()),
    ],
)
def test_stale_stands_in_only_for_listed_failures_in_its_window(
    known: Known | None, upstream: Same | New | Answered | Failed, now: float, expected: Judged
) -> None:
    assert judge(TERMS, known, upstream, now) == expected


def test_without_a_rule_nothing_stands_in() -> None:
    assert judge(Terms(fresh=100), STALE, Failed(FailureClass.CONNECT), 101) == Relay()


def test_forever_has_no_end() -> None:
    terms = Terms(stale_if_error=StaleIfError(math.inf, LISTED))
    assert judge(terms, STALE, Answered(500), 1e12) == ServeStale()


def test_a_tier_that_lists_404_serves_what_is_gone() -> None:
    terms = Terms(stale_if_error=StaleIfError(200, Failures(statuses=frozenset({404}))))
    assert judge(terms, Validated(0, gone_at=5), Answered(404), 10) == ServeStale()


def test_an_absence_is_remembered_only_where_the_tier_says_so() -> None:
    terms = Terms(negative=Negative(frozenset({404}), 10))
    assert judge(terms, None, Answered(404), 0) == Relay(remember=True)
    assert judge(terms, None, Answered(503), 0) == Relay()
    assert judge(Terms(), None, Answered(404), 0) == Relay()
