"""SECURITY.md promises nothing that no test holds."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.partition("## What we promise")[2].splitlines() if line.startswith("| ")][1:]
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_promises_are_made() -> None:
    assert len(ROWS) > 15


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:50] for row in ROWS])
def test_each_promise_names_tests_that_exist(row: str) -> None:
    _, promise, held, _ = row.split("|")
    named = _TEST.findall(held)
    assert promise.strip()
    assert named
    assert _TEST.sub("", held).strip() == "", "something else than tests"
    assert {f"{file}::{name}" for file, name in named if name not in _tests_of(TESTS / file)} == set()


def _tests_of(path: Path) -> set[str]:
    """The tests of a file; none where there is no such file."""
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
