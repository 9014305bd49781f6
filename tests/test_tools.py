"""Lint, format and types: the tools' own verdicts, as tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "arguments",
    [["ruff", "check", "--no-fix"], ["ruff", "format", "--check"], ["mypy", "--strict"]],
    ids=["ruff check", "ruff format", "mypy --strict"],
)
def test_the_tools_have_nothing_to_say(arguments: list[str]) -> None:
    ran = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
