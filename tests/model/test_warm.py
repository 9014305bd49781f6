"""Hours of a day."""

import pytest

from regproxy.model.warm import Hours

DAY = 1_000_080_000.0  # a midnight, UTC


@pytest.mark.parametrize(
    ("begin", "end", "minute", "within"),
    [
        (60, 300, 59, False),
        (60, 300, 60, True),
        (60, 300, 300, False),
        (1380, 60, 1400, True),
        (1380, 60, 59, True),
        (1380, 60, 60, False),
        (0, 0, 0, False),
    ],
)
def test_hours_begin_and_end_and_may_reach_over_midnight(begin: int, end: int, minute: int, within: bool) -> None:
    assert Hours(begin, end).hold(DAY + minute * 60) is within
