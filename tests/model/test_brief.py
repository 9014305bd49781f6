"""Values in few words."""

import pytest

from regproxy.model.brief import standing

WELL = {"blocked_until": 0.0, "open_until": 0.0, "held_until": 0.0, "cause": ""}


@pytest.mark.parametrize(
    ("state", "words", "tone"),
    [
        ({}, "ok", "good"),
        ({"cause": "dns"}, "failed last", "warn"),
        ({"held_until": 160.0}, "limited (429) for 1m", "warn"),
        ({"open_until": 130.0, "held_until": 160.0, "cause": "dns"}, "failing for 30s", "bad"),
        ({"blocked_until": 3800.0, "open_until": 130.0}, "blocked for 1h", "bad"),
        ({"blocked_until": 100.0}, "ok", "good"),
    ],
)
def test_of_what_keeps_a_registry_from_being_asked_the_strongest_is_named(
    state: dict[str, object], words: str, tone: str
) -> None:
    assert standing({**WELL, **state}, 100.0) == (words, tone)
