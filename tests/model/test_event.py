"""One outcome, three vocabularies."""

import pytest

from regproxy.model.event import Outcome


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_speaks_rfc_9211_and_the_seeds_words(outcome: Outcome) -> None:
    assert outcome.cache_status(200).startswith("regproxy; ")
    assert "stored" not in outcome.cache_status(404)
    assert outcome.seed in {"HIT", "MISS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "BYPASS"}


def test_what_came_from_upstream_was_stored_unless_it_is_a_refusal() -> None:
    assert Outcome.MISS.cache_status(200) == "regproxy; fwd=uri-miss; stored"
    assert Outcome.MISS.cache_status(401) == "regproxy; fwd=uri-miss"


def test_only_what_went_upstream_says_fwd() -> None:
    served_here = {Outcome.HIT, Outcome.STALE, Outcome.SWR, Outcome.NEGATIVE, Outcome.LOCAL, Outcome.DENIED}
    assert {outcome for outcome in Outcome if "fwd" not in outcome.cache_status(200)} == served_here
