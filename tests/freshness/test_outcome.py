"""One word for each way to be answered."""

import pytest

from regproxy.freshness.lifetime import Absent, Known, Validated
from regproxy.freshness.outcome import outcome_of_asking, outcome_of_serving
from regproxy.freshness.plan import Serve
from regproxy.freshness.verdict import Answered, Failed, New, Same, Upstreamed
from regproxy.model.decision import FailureClass, Failures, StaleIfError, Terms
from regproxy.model.event import Outcome

TERMS = Terms(fresh=100, stale_if_error=StaleIfError(200, Failures(frozenset({FailureClass.DNS}), frozenset({429}))))


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (Serve(), Outcome.HIT),
        (Serve(refresh=True), Outcome.SWR),
        (Serve(negative=True), Outcome.NEGATIVE),
        (Serve(stale=True), Outcome.STALE),
    ],
)
def test_what_is_served_without_waiting_has_its_word(step: Serve, outcome: Outcome) -> None:
    assert outcome_of_serving(step) is outcome


@pytest.mark.parametrize(
    ("known", "upstream", "outcome"),
    [
        (Validated(0), Same(), Outcome.REVALIDATED),
        (Validated(0), New(), Outcome.EXPIRED),
        (None, New(), Outcome.MISS),
        (Absent(404, 0), New(), Outcome.MISS),
        (Validated(0), Answered(429), Outcome.STALE),
        (Validated(0), Answered(503), Outcome.MISS),
        (None, Answered(429), Outcome.MISS),
        (Validated(0), Failed(FailureClass.DNS), Outcome.STALE),
        (Validated(0), Failed(FailureClass.TLS), Outcome.ERROR),
        (None, Failed(FailureClass.DNS), Outcome.ERROR),
    ],
)
def test_what_waited_for_the_upstream_has_its_word(known: Known | None, upstream: Upstreamed, outcome: Outcome) -> None:
    assert outcome_of_asking(TERMS, known, upstream, 150) is outcome
