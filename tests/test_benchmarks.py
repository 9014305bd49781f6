"""The benchmarks run: every measurement once, briefly; what it measures is not judged here."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.rows import ROWS, Figures, Row
from tests.lab.peers import need

ROOT = Path(__file__).parents[1]


def test_every_row_is_measured() -> None:
    need("nginx-stream", "cc")
    command = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--layer", "2", "--seconds", "0.2"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    for row in ROWS:
        assert f"| {row.path} | " in ran.stdout


def test_a_word_that_no_measurement_has_is_answered_with_those_there_are() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "speed"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "'warm layer, 8 clients'" in ran.stderr


@pytest.mark.parametrize(
    ("more", "at_least", "against", "ratios", "holds"),
    [
        (True, 1.7, "seed", [2.0, 2.0], True),
        (True, 2.1, "seed", [2.0, 2.0], False),
        (False, 2.1, "seed", [2.0, 2.0], True),
        (False, 1.9, "seed", [2.0, 2.0], False),
        (False, 30.0, "", [20.0, 40.0], True),
        (False, 29.0, "", [20.0, 40.0], False),
    ],
)
def test_a_row_is_judged_by_the_median_of_its_rounds(
    more: bool, at_least: float, against: str, ratios: list[float], holds: bool
) -> None:
    row = Row("a path", "a measurement", "MB/s", against, at_least, 0.0, more=more)
    rounds: list[dict[str, Figures]] = [
        {"regproxy": {"MB/s": 20.0}, "seed": {"MB/s": 10.0}},
        {"regproxy": {"MB/s": 40.0}, "seed": {"MB/s": 20.0}},
    ]
    assert row.values(rounds) == ratios
    assert row.holds(ratios) is holds
