"""One upstream transfer per key: small answers, shared while they are in flight, and how larger ones begin."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from regproxy.cache.lookup import Engines
from regproxy.cache.verification import Prefix
from regproxy.model.decision import FailureClass
from regproxy.model.message import Head, content_range
from regproxy.upstream.failure import UpstreamFailed

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class Flights(Generic[K, R]):
    """Work in flight by key; whoever asks for the same key meanwhile gets the same result."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._tasks: dict[K, asyncio.Task[R]] = {}

    def join(self, key: K, start: Callable[[], Coroutine[Any, Any, R]]) -> tuple[asyncio.Task[R], bool]:
        """The task for this key, started now if none is in flight; whether it was in flight already.

        Await it through `asyncio.shield` or `asyncio.wait`: a client that leaves must not take the others along.
        """
        task = self._tasks.get(key)
        if task is not None:
            return task, True
        task = self._engines.spawn(start())
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._landed(key, done))
        return task, False

    def leave(self, is_old: Callable[[K], bool]) -> None:
        """Nobody joins these any more; who waits for one already still gets what it brings."""
        self._tasks = {key: task for key, task in self._tasks.items() if not is_old(key)}

    def _landed(self, key: K, task: asyncio.Task[R]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            task.exception()  # Taken note of here: a background flight has nobody else who would.


@dataclass(frozen=True, slots=True)
class Started:
    """The upstream answered 200 to what was asked `at` that time, and the part file is growing."""

    head: Head
    size: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream answered something else; its small body is here."""

    head: Head
    body: bytes


@dataclass(frozen=True, slots=True)
class Unstorable:
    """The disk has no room or refused: every reader goes its own way, unstored, on from `prefix` where that helps."""

    prefix: Prefix | None = None


Beginning = Started | Answered | Unstorable


def answered(name: str, head: Head, body: bytes) -> Answered:
    """An answer other than 200; raises UpstreamFailed for one that does not answer what was asked, a 206 say."""
    if head.status < 300:
        sentence = f"{name}: answered {head.status} where the whole was asked for"
        raise UpstreamFailed(FailureClass.RESET, sentence)
    return Answered(head, body)


def goes_on(head: Head, start: int) -> bool:
    """Whether this is the body from `start` on, or all of it."""
    extent = content_range(head.fields)
    return head.status == 200 or (head.status == 206 and extent is not None and extent.start == start)
