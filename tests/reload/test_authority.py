"""The CA in force: what is new is taken in, what is broken changes nothing and is told; on a virtual clock."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from regproxy.model.ca_event import CaNoticed, CaReloaded
from regproxy.model.event import Event
from regproxy.reload.authority import CaSteps, RunningCa
from regproxy.reload.watcher import Watcher
from regproxy.tls.authority import create
from regproxy.tls.constraints import extension
from regproxy.tls.directory import Holdings, files_of, read_holdings
from tests.tls.making import DAY, NOW, make, place
from tests.tls.test_given import put, signed

PATIENCE = 10.0


@dataclass
class Stage:
    """A CA directory that is watched; `needed` is what the policy intercepts."""

    directory: Path
    now: float = NOW
    needed: tuple[str, ...] = ("quay.io",)
    events: list[Event] = field(default_factory=list)
    followed: list[Holdings] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first = create(self.directory, ["quay.io"], NOW)
        steps = CaSteps(
            files=lambda: files_of(self.directory),
            read=lambda: read_holdings(self.directory),
            check=lambda new: [f"{name} is not covered" for name in self.needed if not new.permits(name)],
            follow=self.followed.append,
            report=self.events.append,
            clock=lambda: self.now,
        )
        self.running = RunningCa(read_holdings(self.directory), steps)

    @property
    def reloads(self) -> list[CaReloaded]:
        return [event for event in self.events if isinstance(event, CaReloaded)]

    @property
    def notices(self) -> list[str]:
        return [event.sentence for event in self.events if isinstance(event, CaNoticed)]

    def replace(self, name: str = "another", permits: tuple[str, ...] = ("quay.io",), ends: float = 400.0) -> None:
        """Another CA lies in the directory now; `ends` in days."""
        made = make(name, ends=NOW + ends * DAY, extensions=(extension(permits),))
        place(self.directory, made.pem, made.key_pem())

    def reload(self) -> CaReloaded:
        asyncio.run(self.running.reload("signal"))
        return self.reloads[-1]

    async def told(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, self.events
            await asyncio.sleep(0.005)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "ca")


def watched(stage: Stage, story: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a story while the watcher watches."""

    async def run() -> None:
        watching = asyncio.get_running_loop().create_task(Watcher(stage.running, 0.02, 0.02).run())
        try:
            await story()
            assert not watching.done(), "the watcher gave up"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(run())


def test_another_ca_is_taken_in_by_itself_and_followed(stage: Stage) -> None:
    async def story() -> None:
        await stage.told(lambda: stage.running._seen is not None)
        assert stage.events == [], "what lay there at the start is nothing new"
        stage.replace()
        await stage.told(lambda: bool(stage.reloads))

    watched(stage, story)
    (event,) = stage.reloads
    assert (event.result, event.trigger) == ("success", "file")
    assert event.fingerprint == stage.running.holdings.ca.fingerprint != stage.first.fingerprint
    assert stage.followed == [stage.running.holdings]
    assert stage.running.holdings.ca.subject == "CN=another"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"ca.crt": b"what?"}, "holds no certificate"),
        ({"ca.key": b"what?"}, "holds no private key"),
        ({"ca.key": make("other").key_pem()}, "is not the key of"),
        ({"ca.key": None}, "ca.key is not: put it back"),
        ({"ca.crt": None, "ca.key": None}, "there is no CA"),
    ],
)
def test_what_is_broken_changes_nothing_says_why_and_is_never_made_anew(
    stage: Stage, files: dict[str, bytes | None], sentence: str
) -> None:
    for name, content in files.items():
        (stage.directory / name).unlink() if content is None else (stage.directory / name).write_bytes(content)
    event = stage.reload()
    assert event.result == "failure"
    assert sentence in event.findings[0]
    assert event.fingerprint == stage.first.fingerprint
    assert stage.followed == []
    assert stage.running.holdings.leaf("quay.io", NOW).name == "quay.io"
    assert [name for name, content in files.items() if content is None and (stage.directory / name).exists()] == []


def test_a_ca_that_the_policy_has_outgrown_is_not_taken_in(stage: Stage) -> None:
    stage.replace(permits=("ghcr.io",))
    event = stage.reload()
    assert (event.result, event.findings) == ("failure", ("quay.io is not covered",))
    assert stage.running.holdings.ca.fingerprint == stage.first.fingerprint


def test_a_key_that_others_may_read_is_refused_and_mended_by_chmod_alone(stage: Stage) -> None:
    async def story() -> None:
        await stage.told(lambda: stage.running._seen is not None)
        stage.replace()
        (stage.directory / "ca.key").chmod(0o644)
        await stage.told(lambda: any(event.result == "failure" for event in stage.reloads))
        assert any("chmod 600" in event.findings[0] for event in stage.reloads if event.findings)
        (stage.directory / "ca.key").chmod(0o600)
        await stage.told(lambda: stage.reloads[-1].result == "success")

    watched(stage, story)


def test_an_ended_ca_does_not_replace_one_that_serves_but_may_replace_one_that_ended_too(stage: Stage) -> None:
    stage.replace(ends=1)
    stage.now = NOW + 2 * DAY
    event = stage.reload()
    assert event.result == "failure"
    assert "ended on" in event.findings[0]
    stage.now = stage.first.not_after + DAY
    assert stage.reload().result == "success", "neither is of use: what lies there is what is told about"
    assert stage.running.holdings.ca.lapse(stage.now) is not None


def test_a_ca_that_begins_in_a_minute_is_taken_in_in_a_minute(stage: Stage) -> None:
    made = make("early", begins=NOW + 60, extensions=(extension(["quay.io"]),))
    place(stage.directory, made.pem, made.key_pem())
    assert "begins on" in stage.reload().findings[0]
    seen = asyncio.run(stage.running.look())
    assert stage.running.acted_on(seen)
    stage.now = NOW + 60
    assert not stage.running.acted_on(seen)
    assert stage.reload().result == "success"
    assert stage.running.acted_on(seen)


def test_a_given_leaf_is_taken_in_renewed_and_not_given_up_for_a_broken_one(stage: Stage) -> None:
    made = signed("harbor.corp.example")
    put(stage.directory, "harbor", made.pem, made.key_pem())
    assert stage.reload().result == "success"
    stage.needed = ("quay.io", "harbor.corp.example")
    first = stage.running.holdings.leaf("harbor.corp.example", NOW)
    put(stage.directory, "harbor", made.pem, make("other").key_pem())
    assert stage.reload().result == "failure"
    assert stage.running.holdings.leaf("harbor.corp.example", NOW) == first
    renewed = signed("harbor.corp.example", ends=NOW + 180 * DAY)
    put(stage.directory, "harbor", renewed.pem, renewed.key_pem())
    assert stage.reload().result == "success"
    assert stage.running.holdings.leaf("harbor.corp.example", NOW).not_after == NOW + 180 * DAY


def test_files_that_were_only_touched_are_no_event_but_an_answer_to_who_asked(stage: Stage) -> None:
    asyncio.run(stage.running.reload("file"))
    assert stage.reloads == []
    assert stage.reload().result == "unchanged"
    assert stage.followed == []


def test_a_ca_that_ends_within_thirty_days_is_told_once_a_day_and_its_end_as_well(stage: Stage) -> None:
    stage.running.remind()
    assert stage.notices == []
    end = stage.first.not_after
    for minutes in range(0, 2 * 24 * 60, 30):
        stage.now = end - 29 * DAY + minutes * 60
        stage.running.remind()
    assert 2 <= len(stage.notices) <= 4
    assert all("ends in 2" in notice and "every pull fails" in notice for notice in stage.notices)
    stage.events.clear()
    for hours in range(49):
        stage.now = end + hours * 3600
        stage.running.remind()
    assert len(stage.notices) == 3
    assert all("ended on" in notice for notice in stage.notices)


def test_a_clock_that_jumps_is_told_about_and_then_forgotten(stage: Stage) -> None:
    for now in (NOW - 40 * DAY, NOW, NOW + 4000 * DAY, NOW):
        stage.now = now
        stage.running.remind()
    assert [("begins on" in notice, "ended on" in notice) for notice in stage.notices] == [(True, False), (False, True)]
    assert stage.running.holdings.leaf("quay.io", NOW).valid(NOW)
