"""Tasks in plain words, each solved by a policy that fits one screen and proves itself."""

from pathlib import Path

import pytest

from regproxy.policy.format import formatted
from regproxy.policy.load import load
from regproxy.policy.source import Source
from regproxy.rehearsal.scenarios import failures, run
from regproxy.settings.packaged import known_sources

TASKS = sorted((Path(__file__).parent / "tasks").glob("*.policy"))
MAX_LINES = 40


def words(path: Path) -> str:
    """The task: the comment with which the file begins."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        lines.append(line.removeprefix("# "))
    return " ".join(lines)


def test_there_are_twenty_and_no_two_are_the_same() -> None:
    assert len({words(path) for path in TASKS}) == 20


@pytest.mark.parametrize("path", TASKS, ids=words)
def test_a_task_is_solved_on_one_screen_with_a_test_for_every_tier(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert formatted(text) == text
    loaded = load(Source(path.name, text), known_sources())
    assert loaded.diagnostics == ()
    assert loaded.policy is not None
    assert failures(loaded.policy) == ()
    reached = {run(loaded.policy, scenario).tier for scenario in loaded.policy.tests}
    assert {tier.name for tier in loaded.policy.tiers} <= reached
