"""Many who want the same thing at once start it once: a task per key, owned here."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from regproxy.model.decision import FailureClass
from regproxy.upstream.failure import UpstreamFailed

K = TypeVar("K")
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Runs one task per key. It goes on when those who wait give up: what it learns is for the next one."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, start: Callable[[], Awaitable[V]]) -> V:
        """The result for `key`, from the task under way or a new one; raises what the task raised."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(self._guarded(key, start))
            # All who waited may have left: a failure that nobody takes is no news for the log.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait((task,))
        if task.cancelled():
            raise UpstreamFailed(FailureClass.RESET, "this proxy is shutting down")
        return task.result()

    async def _guarded(self, key: K, start: Callable[[], Awaitable[V]]) -> V:
        try:
            return await start()
        finally:
            del self._tasks[key]

    async def close(self) -> None:
        """Cancel and await what is under way."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
