"""Work that ends even when its caller is gone: what changes the account must not stop half-way."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

DISK_THREADS = 4


class Work:
    """The store's tasks and its threads for slow disk calls; `finish` ends both."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="regproxy-disk")

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task and keep it until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work to its end; cancelling the caller does not cancel it."""
        return await asyncio.shield(self.begin(work))

    async def on_disk(self, call: Callable[[], T]) -> T:
        """Run a blocking call beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def drain(self) -> None:
        """Wait for every task, those they start included."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def finish(self) -> None:
        """No more blocking calls."""
        self._threads.shutdown(wait=False)
