"""One outcome, three vocabularies."""

import pytest

from regproxy.model.event import Outcome


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_speaks_rfc_9211_and_the_seeds_words(outcome: Outcome) -> None:
    assert outcome.cache_status.startswith("regproxy; ")
    assert outcome.seed in {"HIT", "MISS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "BYPASS"}


def test_only_what_went_upstream_says_fwd() -> None:
    served_here = {Outcome.HIT, Outcome.STALE, Outcome.SWR, Outcome.NEGATIVE, Outcome.LOCAL, Outcome.DENIED}
    assert {outcome for outcome in Outcome if "fwd" not in outcome.cache_status} == served_here
