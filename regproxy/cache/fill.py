"""One body on its way from the upstream into a part file, which many readers follow while it grows.

A fill is owned by the proxy, not by the client that came first. Bytes reach clients before the digest is judged, so
the last 64 KiB wait for the verdict: on a mismatch every body is cut short. When the last reader leaves, a fill that is
worth it goes on; any other lingers, for who comes back, and is given up.
"""

import asyncio
import math
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from regproxy.cache.batch import Batch
from regproxy.cache.fetches import Answered, Beginning, Started, Unstorable, answered, goes_on
from regproxy.cache.followers import Followers
from regproxy.cache.lookup import Engines, Lookup, Said
from regproxy.cache.manifests import record_refusal
from regproxy.cache.replies import unusable
from regproxy.cache.verification import HOLD_BACK, Prefix
from regproxy.model.answer import BrokenBody, Interrupted
from regproxy.model.decision import FailureClass
from regproxy.model.event import DigestMismatched, StoreFailed
from regproxy.model.message import Fields, Head, content_length
from regproxy.model.oci import Digest, Kind
from regproxy.store.writer import Writer
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.session import OpenTransfer

MAX_ERROR_BODY = 64 * 1024
# Seconds before each attempt to get the rest of a body that broke off; there are no more attempts than these.
RESUMPTIONS = (0.0, 0.5, 2.0)
# Nobody reads on: a fill is finished if so much is done, or so little left, else given up after a while.
WORTH_SHARE = 0.1
WORTH_REST = 64 * 1024 * 1024
LINGER_SECONDS = 30.0

Commit = Callable[[Writer, Said], Coroutine[Any, Any, None]]


class Fill:
    """Fetches one blob; `followers` are its readers, and `prefix` is where they go on if the disk gave up."""

    def __init__(
        self,
        engines: Engines,
        lookup: Lookup,
        request: UpstreamRequest,
        digest: Digest,
        max_object: float = math.inf,
    ) -> None:
        self._engines = engines
        self._lookup = lookup
        self._request = request
        self._digest = digest
        self._max_object = max_object
        self._writer: Writer | None = None
        self._reader: int | None = None
        self._collected: bytearray | None = None
        self._batch = Batch(self._put)
        self._size: int | None = None
        self._transfer: OpenTransfer | None = None
        self._receiving = False
        self._skip = 0
        # What runs it, and ends once the body is where look-ups find it, or could not be put there.
        self.task: asyncio.Task[None] | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self.prefix: Prefix | None = None
        self.followers = Followers(self._deserted)
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
        if self._writer is None or not self._receiving:
            return False
        if self._skip:
            self._skip, chunk = max(0, self._skip - len(chunk)), chunk[self._skip :]
        self._batch.add(chunk)
        return True

    def _put(self, pieces: list[bytes]) -> None:
        """Write what came in this turn; trouble ends the transfer, and readers hear of it."""
        writer = self._writer
        if writer is None or self.over:
            return
        try:
            writer.write(*pieces)
        except OSError as error:
            self._interrupt(writer, error)
        except ValueError as error:
            self._break(BrokenBody(str(error)))
        else:
            self.followers.grew(self._visible(writer))

    async def run(self, commit: Commit) -> None:
        """Fetch, verify, and hand the part file to `commit`; never raises for what the upstream or the disk did."""
        try:
            transfer = await self._open(())
            said = self._engines.said(self._lookup, transfer.head, b"", transfer.account, self._lookup.at)
            if transfer.head.status != 200:
                await record_refusal(self._engines, said)
                await self._collect(transfer)
            elif (writer := await self._begin(transfer)) is not None:
                await self._receive(transfer, writer)
                await self._finish(said, writer, commit)
        except (UpstreamFailed, ValueError) as error:
            if self.beginning.done():
                self.followers.fail(BrokenBody(str(error)))
            else:
                self.beginning.set_exception(unusable(self._request.authority, error))
        finally:
            self._end()

    def _end(self) -> None:
        """Let go of everything; the one way out, also for a fill that was given up."""
        if not self.beginning.done():
            self.beginning.cancel()
        self.followers.fail(BrokenBody("the transfer ended early"))
        if self._transfer is not None:
            self._transfer.cancel()
        if self._writer is not None:
            self._writer.abort()
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None
        if self._lingering is not None:
            self._lingering.cancel()

    async def _open(self, fields: Fields) -> OpenTransfer:
        request = replace(self._request, fields=(*self._request.fields, *fields))
        lookup = self._lookup
        self._transfer = await self._engines.upstream.open(request, lookup.resource.repository, self, lookup.account)
        return self._transfer

    async def _collect(self, transfer: OpenTransfer) -> None:
        self._collected = bytearray()
        transfer.resume()
        await transfer.finished()
        self._settle(answered(self._request.authority.name, transfer.head, bytes(self._collected)))

    async def _begin(self, transfer: OpenTransfer) -> Writer | None:
        """Make room and the part file; None where the disk has none, and all who wait go their own way at once."""
        try:
            self._size = content_length(transfer.head.fields)
            if not _fits(self._size, self._max_object):
                self._settle(Unstorable())
                return None
            self._writer = await self._engines.store.writer(self._size, Kind.BLOB, self._digest.algorithm)
            self._reader = self._writer.open_reader()
        except (OSError, ValueError) as error:
            self._engines.report(StoreFailed("reserve", str(error)))
            self._settle(Unstorable())
            return None
        self._receiving = True
        self._settle(Started(transfer.head, self._size, self._lookup.at))
        transfer.resume()
        return self._writer

    # Receiving, again and again where need be.

    async def _receive(self, transfer: OpenTransfer, writer: Writer) -> None:
        """Wait for the body's end; what breaks off goes on where it stopped, from a redirect of its own."""
        etag = transfer.head.get("etag") or ""
        unchanged = (("If-Range", etag),) if etag.startswith('"') else ()
        for pause in RESUMPTIONS:
            try:
                return await transfer.finished()
            except UpstreamFailed:
                self._batch.flush()
                if self.over:
                    raise
            self._receiving = False
            await asyncio.sleep(pause)
            with_range = (("Range", f"bytes={writer.written}-"), *unchanged) if writer.written else ()
            transfer = await self._resume(transfer, with_range, writer.written)
        return await transfer.finished()

    async def _resume(self, broken: OpenTransfer, fields: Fields, start: int) -> OpenTransfer:
        """Ask for the rest (RFC 9110 §14.2), or for all where the rest is not given; the digest will judge the whole.

        Gives the broken transfer back when there is no connection to be had, or a server that is ill or busy.
        """
        try:
            transfer = await self._open(fields)
            if transfer.head.status in (206, 416) and not goes_on(transfer.head, start):
                transfer.cancel()
                transfer = await self._open(())
        except UpstreamFailed:
            return broken
        if not goes_on(transfer.head, start):
            transfer.cancel()
            if transfer.head.status == 429 or transfer.head.status >= 500:
                return broken
            name = self._request.authority.name
            raise UpstreamFailed(FailureClass.RESET, f"{name}: answered {transfer.head.status} when asked for the rest")
        self._skip = start if transfer.head.status == 200 else 0
        self._receiving = True
        transfer.resume()
        return transfer

    async def _finish(self, said: Said, writer: Writer, commit: Commit) -> None:
        self._batch.flush()
        if self.over:
            return
        if not writer.matches(self._digest):
            name = self._request.authority.name
            self._engines.report(DigestMismatched(name, str(Kind.BLOB), str(self._digest)))
            raise ValueError(f"the bytes do not hash to {self._digest}")
        self.followers.complete(writer.written)
        try:
            await commit(writer, said)
        except OSError as error:
            self._engines.report(StoreFailed("commit", str(error)))

    def _settle(self, beginning: Answered | Started | Unstorable) -> None:
        if not self.beginning.done():
            self.beginning.set_result(beginning)

    # Trouble with the disk, and readers that leave.

    def _interrupt(self, writer: Writer, error: OSError) -> None:
        """The disk refused: readers have what they may have of the part file, and get the rest each for itself."""
        self._engines.report(StoreFailed("write", str(error)))
        start = self._visible(writer)
        self.followers.grew(start)
        try:
            tail = os.pread(writer.fd, writer.written - start, start)
        except OSError:
            tail = b""
        if len(tail) == writer.written - start:
            self.prefix = Prefix(writer.written, tail, writer.hashed())
            self._break(Interrupted(f"the disk refused: {error}"))
        else:
            self._break(BrokenBody(f"the disk refused: {error}"))

    def _break(self, error: BrokenBody) -> None:
        """Nothing more is taken, and readers hear why."""
        self.followers.fail(error)
        if self._transfer is not None:
            self._transfer.cancel()

    def _deserted(self) -> None:
        if not self.over and not self._worth_finishing():
            if self._lingering is not None:
                self._lingering.cancel()
            self._lingering = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """Nobody came back."""
        if not self.followers.count and not self.followers.whole and not self._worth_finishing():
            self.followers.fail(BrokenBody("nobody reads it"))
            if self.task is not None:
                self.task.cancel()

    def _worth_finishing(self) -> bool:
        if self._writer is None or self._size is None:
            return False
        written = self._writer.written
        return self._size - written <= WORTH_REST or written >= self._size * WORTH_SHARE

    # For readers.

    @property
    def begun(self) -> Beginning | None:
        """How it began, if it has."""
        beginning = self.beginning
        settled = beginning.done() and not beginning.cancelled() and beginning.exception() is None
        return beginning.result() if settled else None

    @property
    def over(self) -> bool:
        """Whether nobody may join any more."""
        return self.followers.broken is not None

    def open_reader(self) -> int:
        """A descriptor of the part file, owned by the caller; good also once the file is renamed."""
        if self._reader is None:
            raise BrokenBody("the transfer has ended")
        return os.dup(self._reader)

    def _visible(self, writer: Writer) -> int:
        """How much may be read while the digest is not known."""
        end = writer.written if self._size is None else self._size
        return max(0, min(writer.written, end - HOLD_BACK))


def _fits(size: int | None, limit: float) -> bool:
    """Whether a body may be stored; one without a length could outgrow a limit when clients have read half of it."""
    return math.isinf(limit) if size is None else size <= limit
