"""What lasts as long as the process outlives a mistake of its own."""

import asyncio
import contextlib
from typing import Any

from regproxy.app.lasting import lasting


def test_work_that_fails_is_told_of_and_begins_again() -> None:
    assert asyncio.run(_two_failures()) == ["warming: turn 1", "warming: turn 2"]


async def _two_failures() -> list[str]:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    begun = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 3:
            third.set()
            await asyncio.sleep(3600)
        raise RuntimeError(f"turn {begun}")

    task = asyncio.create_task(lasting("warming", work, again=0.0))
    await asyncio.wait_for(third.wait(), 10)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    return [f"{context['message'].split(' failed')[0]}: {context['exception']}" for context in told]
