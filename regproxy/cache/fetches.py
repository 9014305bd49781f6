"""One upstream transfer per key: flights for small answers, fills for bodies that many readers follow while they grow.

A fetch is owned by the proxy, not by the client that came first: its clients may leave, it goes on. Bytes reach clients
before the digest is judged, so the last 64 KiB wait for the verdict: on a mismatch every body is cut short.
"""

import asyncio
import math
import os
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from regproxy.cache.lookup import Engines
from regproxy.cache.replies import unusable
from regproxy.model.answer import BrokenBody
from regproxy.model.event import StoreFailed
from regproxy.model.message import Head, content_length
from regproxy.model.oci import Digest, Kind
from regproxy.store.writer import Writer
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.session import OpenTransfer

HOLD_BACK = 64 * 1024
MAX_ERROR_BODY = 64 * 1024
MAX_RESUMPTIONS = 3
WAKE_BYTES = 256 * 1024
WAKE_SECONDS = 0.02

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

    def _landed(self, key: K, task: asyncio.Task[R]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # Taken note of here: a background flight has nobody else who would.


@dataclass(frozen=True, slots=True)
class Started:
    """The upstream answered 200 and the part file is growing."""

    head: Head
    size: int | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream answered something else; its small body is here."""

    head: Head
    body: bytes


@dataclass(frozen=True, slots=True)
class Unstorable:
    """The disk has no room or refused: every reader goes its own way, unstored."""


Beginning = Started | Answered | Unstorable


def _fits(size: int | None, limit: float) -> bool:
    """Whether a body may be stored; one without a length could outgrow a limit when clients have read half of it."""
    return math.isinf(limit) if size is None else size <= limit


class Fill:
    """One body on its way from the upstream into a part file."""

    def __init__(
        self,
        engines: Engines,
        request: UpstreamRequest,
        repository: str,
        digest: Digest,
        max_object: float = math.inf,
    ) -> None:
        self._engines = engines
        self._request = request
        self._repository = repository
        self._digest = digest
        self._max_object = max_object
        self._writer: Writer | None = None
        self._reader: int | None = None
        self._collected: bytearray | None = None
        self._size: int | None = None
        self._transfer: OpenTransfer | None = None
        self._broken: BrokenBody | None = None
        self._whole = False
        self._resuming = False
        self._woken_at = 0
        self.outgrew_the_disk = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self.beginning: asyncio.Future[Beginning] = asyncio.get_running_loop().create_future()
        self.beginning.add_done_callback(lambda done: done.cancelled() or done.exception())

    # The sink of the transfer: called between two turns of the loop, in order.

    def head(self, head: Head) -> None:
        """The final head; the transfer's owner reads it there."""

    def data(self, chunk: bytes) -> bool:
        """Take a piece of the body; False until it is known where to put it."""
        if self._collected is not None:
            self._collected += chunk[: MAX_ERROR_BODY - len(self._collected)]
            return True
        if self._writer is None or self._resuming:
            return False
        try:
            self._writer.write(chunk)
        except OSError as error:
            self._engines.report(StoreFailed("write", str(error)))
            self.outgrew_the_disk = True
            self._break(f"the disk refused: {error}")
            if self._transfer is not None:
                self._transfer.cancel()
            return True
        if self._writer.written - self._woken_at >= WAKE_BYTES:
            self._wake()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAKE_SECONDS, self._wake)
        return True

    async def run(self, commit: Callable[[Writer, Head], Coroutine[Any, Any, None]]) -> None:
        """Fetch, verify, and hand the part file to `commit`; never raises for what the upstream or the disk did."""
        try:
            transfer = await self._engines.upstream.open(self._request, self._repository, self)
            self._transfer = transfer
            if transfer.head.status != 200:
                await self._collect(transfer)
            elif await self._begin(transfer):
                await self._receive(transfer)
                await self._finish(transfer.head, commit)
        except (UpstreamFailed, ValueError) as error:
            if self.beginning.done():
                self._break(str(error))
            else:
                self.beginning.set_exception(unusable(self._request.authority, error))
        finally:
            if not self.beginning.done():
                self.beginning.cancel()
            if not self._whole:
                self._break("the transfer ended early")
            if self._writer is not None:
                self._writer.abort()
            if self._reader is not None:
                os.close(self._reader)
                self._reader = None
            if self._timer is not None:
                self._timer.cancel()

    async def _collect(self, transfer: OpenTransfer) -> None:
        self._collected = bytearray()
        transfer.resume()
        await transfer.finished()
        self._settle(Answered(transfer.head, bytes(self._collected)))

    async def _begin(self, transfer: OpenTransfer) -> bool:
        try:
            self._size = content_length(transfer.head.fields)
            if not _fits(self._size, self._max_object):
                transfer.cancel()
                self._settle(Unstorable())
                return False
            writer = await self._engines.store.writer(self._size, Kind.BLOB, self._digest.algorithm)
            self._reader = writer.open_reader()
        except (OSError, ValueError) as error:
            self._engines.report(StoreFailed("reserve", str(error)))
            transfer.cancel()
            self._settle(Unstorable())
            return False
        self._writer = writer
        self._settle(Started(transfer.head, self._size))
        transfer.resume()
        return True

    async def _receive(self, transfer: OpenTransfer) -> None:
        """Wait for the body's end; what breaks off goes on where it stopped, from a redirect of its own."""
        for _ in range(MAX_RESUMPTIONS):
            try:
                await transfer.finished()
                return
            except UpstreamFailed as error:
                transfer = await self._resume(error)
        await transfer.finished()

    async def _resume(self, cause: UpstreamFailed) -> OpenTransfer:
        """Ask for the rest (RFC 9110 §14.2); the digest will judge the whole. Raises `cause` when it is not given."""
        written = self._writer.written if self._writer is not None else 0
        if self._broken is not None or not written:
            raise cause
        self._resuming = True
        request = replace(self._request, fields=(*self._request.fields, ("Range", f"bytes={written}-")))
        transfer = await self._engines.upstream.open(request, self._repository, self)
        self._transfer = transfer
        extent = transfer.head.get("content-range") or ""
        if transfer.head.status != 206 or not extent.lower().startswith(f"bytes {written}-"):
            transfer.cancel()
            raise cause
        self._resuming = False
        transfer.resume()
        return transfer

    async def _finish(self, head: Head, commit: Callable[[Writer, Head], Coroutine[Any, Any, None]]) -> None:
        writer = self._writer
        if writer is None or self._broken is not None:
            return
        if not writer.matches(self._digest) or (self._size is not None and writer.written != self._size):
            self._break(f"the bytes do not hash to {self._digest}")
            return
        self._whole = True
        self._wake()
        try:
            await commit(writer, head)
        except OSError as error:
            self._engines.report(StoreFailed("commit", str(error)))

    def _settle(self, beginning: Beginning) -> None:
        if not self.beginning.done():
            self.beginning.set_result(beginning)

    def _break(self, why: str) -> None:
        if self._broken is None:
            self._broken = BrokenBody(why)
        self._wake()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._woken_at = self._writer.written if self._writer is not None else 0
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # For readers.

    def open_reader(self) -> int:
        """A descriptor of the part file, owned by the caller; good also once the file is renamed."""
        if self._reader is None:
            raise BrokenBody("the transfer has ended")
        return os.dup(self._reader)

    async def beyond(self, offset: int) -> int:
        """How many bytes may be sent, once there are more than `offset`; `offset` itself when the body ended there."""
        while True:
            visible = self._visible()
            if visible > offset or self._whole:
                return visible
            if self._broken is not None:
                raise self._broken
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def leave(self) -> None:
        """Nothing to do: a fetch goes on without its readers."""

    def _visible(self) -> int:
        written = self._writer.written if self._writer is not None else 0
        if self._whole:
            return written
        end = written if self._size is None else min(written + HOLD_BACK, self._size)
        return max(0, min(written, end - HOLD_BACK))
