"""A deadline that is moved often and met rarely."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from regproxy.proxy import deadline as module
from regproxy.proxy.deadline import AHEAD_SECONDS, Deadline

FAR = 60.0
NEAR = 0.02
Story = Callable[[Deadline, asyncio.Event], Coroutine[Any, Any, None]]


def told(story: Story, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a story with a deadline; how many timers it took."""

    async def run() -> int:
        loop = asyncio.get_running_loop()
        made = 0
        call_at = loop.call_at

        def counting(*arguments: Any, **more: Any) -> asyncio.TimerHandle:
            nonlocal made
            made += 1
            return call_at(*arguments, **more)

        monkeypatch.setattr(loop, "call_at", counting)
        missed = asyncio.Event()
        deadline = Deadline(missed.set)
        async with asyncio.timeout(5):
            await story(deadline, missed)
        deadline.cancel()
        return made - 1  # the time limit of the story itself

    return asyncio.run(run())


def test_a_thousand_moves_take_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(deadline: Deadline, missed: asyncio.Event) -> None:
        for _ in range(1000):
            deadline.set(FAR)
            deadline.set(None)
        assert not missed.is_set()

    assert told(story, monkeypatch) == 1


def test_a_nearer_deadline_that_is_no_nearer_than_a_timer_reaches_takes_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(deadline: Deadline, missed: asyncio.Event) -> None:
        deadline.set(FAR)
        deadline.set(AHEAD_SECONDS)
        deadline.set(FAR)
        assert not missed.is_set()

    assert told(story, monkeypatch) == 1


def test_a_deadline_beyond_what_a_timer_reaches_is_missed_when_it_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_SECONDS", NEAR / 4)

    async def story(deadline: Deadline, missed: asyncio.Event) -> None:
        began = asyncio.get_running_loop().time()
        deadline.set(NEAR)
        await missed.wait()
        assert asyncio.get_running_loop().time() - began >= NEAR

    told(story, monkeypatch)


@pytest.mark.parametrize("before", [(), (FAR,), (FAR, None), (NEAR / 2, FAR), (NEAR / 2, None)])
def test_whatever_it_was_before_it_is_missed_when_it_passes(
    before: tuple[float | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(deadline: Deadline, missed: asyncio.Event) -> None:
        began = asyncio.get_running_loop().time()
        for seconds in (*before, NEAR):
            deadline.set(seconds)
        await missed.wait()
        assert asyncio.get_running_loop().time() - began >= NEAR

    told(story, monkeypatch)


@pytest.mark.parametrize("last", [None, FAR])
def test_the_timer_of_an_earlier_deadline_does_not_miss_a_later_one(
    last: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(deadline: Deadline, missed: asyncio.Event) -> None:
        deadline.set(NEAR)
        deadline.set(last)
        await asyncio.sleep(3 * NEAR)
        assert not missed.is_set()

    told(story, monkeypatch)


def test_nothing_is_missed_after_it_was_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(deadline: Deadline, missed: asyncio.Event) -> None:
        deadline.set(NEAR)
        deadline.cancel()
        await asyncio.sleep(3 * NEAR)
        assert not missed.is_set()

    told(story, monkeypatch)
