"""The share of requests that the cache answered."""

import pytest

from regproxy.model.event import Outcome
from regproxy.model.hit_ratio import asked_and_kept


@pytest.mark.parametrize(
    ("requests", "found"),
    [
        ({}, (0, 0)),
        ({"hit": 3.0, "miss": 1.0}, (4, 3)),
        ({"local": 5.0, "denied": 2.0, "stale": 1.0}, (1, 1)),
        ({str(outcome): 1.0 for outcome in Outcome}, (len(Outcome) - 2, 6)),
    ],
)
def test_what_is_ours_alone_counts_for_nothing(requests: dict[str, float], found: tuple[float, float]) -> None:
    assert asked_and_kept(requests) == found
