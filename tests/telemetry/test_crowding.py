"""Clients that find no room: told of once a minute, however many they are."""

import pytest

from regproxy.model.measure import NOBODY, EdgeMeasured, TurnedAway
from regproxy.telemetry.crowding import MIN_SECONDS, Crowding


def told(*steps: tuple[float, EdgeMeasured]) -> list[str]:
    """What is said when edges tell this, each at its time."""
    said: list[str] = []
    now = [0.0]
    crowding = Crowding(lambda: now[0], said.append)
    for at, measured in steps:
        now[0] = at
        crowding.observe(measured)
    return said


def edge(away: TurnedAway = NOBODY, waits: int = 0) -> EdgeMeasured:
    return EdgeMeasured("edge-1", 1, 2, 3, 4, away, waits)


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (edge(TurnedAway(address=7, last="10.0.0.9")), ("7 connections", "10.0.0.9", "--max-connections-per-client")),
        (edge(TurnedAway(idle=5), waits=12), ("5 idle connections", "for 1.2 s", "--max-connections,")),
        (edge(TurnedAway(preparing=2)), ("2 connections were closed",)),
        (edge(TurnedAway(address=1, last="x\n" * 99)), ("of x?x?",)),
    ],
)
def test_the_operator_is_told_how_many_and_which_flag_it_is_about(
    measured: EdgeMeasured, words: tuple[str, ...]
) -> None:
    (sentence,) = told((0, measured))
    assert all(word in sentence for word in words), sentence
    assert "\n" not in sentence


def test_nothing_is_said_where_all_find_room() -> None:
    assert told((0, edge()), (MIN_SECONDS, edge())) == []


def test_it_is_told_once_a_minute_and_nobody_is_forgotten() -> None:
    away = edge(TurnedAway(address=1, last="10.0.0.9"))
    seconds = [(float(second), away) for second in range(120)]
    assert [sentence.partition(" ")[0] for sentence in told(*seconds, (180.0, edge()))] == ["1", "60", "59"]
