"""docs/seed-scenarios.md: every scenario and every setting of the seed names the tests that hold it."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "docs" / "seed-scenarios.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
SCENARIOS = 46
FEATURES = 19


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first two lines."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


ROWS = [(row[1], row[2]) for row in rows("Scenarios")] + [(row[0], row[3]) for row in rows("Settings")]


def test_every_scenario_is_there_once_in_its_order() -> None:
    assert [row[0] for row in rows("Scenarios")] == [str(number + 1) for number in range(SCENARIOS)]
    assert len(rows("Settings")) == FEATURES


@pytest.mark.parametrize(("what", "held"), ROWS, ids=[what[:50] for what, _ in ROWS])
def test_what_a_row_says_is_held_by_tests_that_exist(what: str, held: str) -> None:
    named = _TEST.findall(held)
    assert what
    assert named
    assert _TEST.sub("", held).strip() == "", "something else than tests"
    assert {f"{file}::{name}" for file, name in named if name not in _tests_of(TESTS / file)} == set()


def _tests_of(path: Path) -> set[str]:
    """The tests of a file; none where there is no such file."""
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
