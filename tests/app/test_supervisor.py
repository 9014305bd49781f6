"""The parent's decisions about deaths, and what it hands out."""

import io
import json
import time
from pathlib import Path

import pytest

from regproxy.app import supervisor as supervising
from regproxy.app.handed import Handed
from regproxy.app.supervisor import MAX_DELAY, MAX_DELAY_OF_CORE, SETTLED_SECONDS, Plan, Supervisor, _Child
from regproxy.telemetry.access_log import AccessLog

PLAN = Plan(2, 8.0, ("serve",), (3,), (5,), (4,))


def supervisor() -> tuple[Supervisor, io.StringIO]:
    out = io.StringIO()
    return Supervisor(PLAN, AccessLog(out)), out


def test_the_first_death_costs_no_wait_and_deaths_in_a_row_ever_longer_ones() -> None:
    parent, out = supervisor()
    child = _Child("edge 1")
    waits = []
    for _ in range(12):
        child.started_at = time.monotonic()
        parent._died(child, 1, -9, came_up=False)
        waits.append(round(child.due - time.monotonic(), 1))
    assert waits[:4] == [0.0, 0.1, 0.2, 0.4]
    assert waits[-1] == MAX_DELAY
    child.started_at = time.monotonic() - SETTLED_SECONDS
    parent._died(child, 1, 1, came_up=False)
    assert child.due <= time.monotonic()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 13
    assert "the edge 1 (pid 1) ended by signal 9" in lines[0]["message"]
    assert "with exit code 1" in lines[-1]["message"]


def test_a_core_that_came_up_is_never_waited_for_longer_than_clients_are_patient() -> None:
    parent, _ = supervisor()
    child = _Child("core")
    for _ in range(12):
        child.started_at = time.monotonic()
        parent._died(child, 1, -9, came_up=True)
    assert child.due - time.monotonic() <= MAX_DELAY_OF_CORE


@pytest.mark.parametrize(
    ("name", "was_ready", "code", "failure"),
    [
        ("core", False, 1, 1),
        ("core", False, 2, 2),
        ("core", False, -9, None),
        ("core", True, 1, None),
        ("edge 1", False, 1, None),
    ],
)
def test_only_a_core_that_never_came_up_ends_the_program(
    name: str, was_ready: bool, code: int, failure: int | None
) -> None:
    parent, _ = supervisor()
    parent.was_ready = was_ready
    parent._died(_Child(name), 1, code, came_up=False)
    assert (parent.failure, parent.stopping) == (failure, failure is not None)


def test_a_core_that_cannot_be_started_leaves_no_descriptor_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervising, "interpreter", lambda _: ["/nonexistent/python"])
    parent, out = supervisor()
    core, before = _Child("core"), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        parent._start(core, 3)
        assert (core.process, core.ready) == (None, None)
        assert core.due - time.monotonic() > MAX_DELAY - 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert out.getvalue().count("the core cannot be started") == 3


def test_what_is_handed_over_is_read_as_it_was_written() -> None:
    handed = Handed(7, 3, (4, 5), (6,), 8, 2.5, (9,))
    assert Handed.read(handed.text()) == handed
    assert handed.descriptors == (3, 4, 5, 9, 6, 8)
    for text in ("{}", "[1]", "nothing", '{"proxy":[],"metrics":[],"more":1}'):
        with pytest.raises(ValueError, match=r"."):
            Handed.read(text)
