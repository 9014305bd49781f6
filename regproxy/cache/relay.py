"""Bodies that are not stored: through a socket pair to the edge, with the kernel's back-pressure."""

import asyncio
import os
import socket
from collections.abc import Callable

from regproxy.cache.verification import Check
from regproxy.model.answer import BrokenBody, RequestBody
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.session import OpenTransfer


class Outflow:
    """The sink of a relayed response: writes into one end of a socket pair, pauses the transfer when it is full.

    What is verified ends broken where it does not hash to its digest.
    """

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        theirs.setblocking(False)
        self.fd = theirs.detach()
        self._loop = asyncio.get_running_loop()
        self._pending = bytearray()
        self._check: Check | None = None
        self._transfer: OpenTransfer | None = None
        self._drained: asyncio.Future[None] | None = None
        self._watching = False
        self._gone = False
        self._inflow: Inflow | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._ended.add_done_callback(lambda done: done.cancelled() or done.exception())

    def head(self, head: object) -> None:
        """The final head; the transfer's owner reads it there."""

    def data(self, chunk: bytes) -> bool:
        """Pass a piece on; False while the reader has not taken the last one."""
        if self._gone:
            return True
        if self._pending or self._transfer is None:
            return False
        if self._check is not None:
            chunk = self._check.take(chunk)
        if chunk:
            self._send(chunk)
        return True

    def _send(self, chunk: bytes) -> None:
        try:
            sent = self._ours.send(chunk)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._abandon()
            return
        if sent < len(chunk):
            self._pending += chunk[sent:]
            if not self._watching:
                self._watching = True
                self._loop.add_writer(self._ours, self._flush)

    def _flush(self) -> None:
        try:
            sent = self._ours.send(self._pending)
        except BlockingIOError:
            return
        except OSError:
            self._abandon()
            return
        del self._pending[:sent]
        if not self._pending:
            self._unwatch()
            if self._drained is not None and not self._drained.done():
                self._drained.set_result(None)
            if self._transfer is not None:
                self._transfer.resume()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_writer(self._ours)

    def _abandon(self) -> None:
        """The reader is gone: take nothing more from the upstream."""
        self._gone = True
        self._pending.clear()
        self._unwatch()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._transfer is not None:
            self._transfer.cancel()

    async def run(self, transfer: OpenTransfer) -> None:
        """Carry the body to its end; what went wrong is told by `wait`, not raised here."""
        self._transfer = transfer
        transfer.resume()
        try:
            await transfer.finished()
            if self._check is not None:
                self._send_last(await self._check.rest())
            await self._drain()
            self._end(BrokenBody("the reader is gone") if self._gone else None)
        except (UpstreamFailed, BrokenBody, ValueError) as error:
            self._end(BrokenBody(str(error)))
        finally:
            self._end(BrokenBody("the relay was stopped"))
            self._unwatch()
            self._ours.close()
            if self._inflow is not None:
                self._inflow.close()

    def _send_last(self, chunk: bytes) -> None:
        if self._pending:
            self._pending += chunk
        elif chunk and not self._gone:
            self._send(chunk)

    async def _drain(self) -> None:
        if self._pending and not self._gone:
            self._drained = self._loop.create_future()
            await self._drained

    def _end(self, error: BrokenBody | None) -> None:
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    async def wait(self) -> None:
        """Return when the body ended whole; raises BrokenBody when it did not."""
        await asyncio.shield(self._ended)

    def carry(self, inflow: "Inflow | None") -> None:
        """Keep the request's body open until the response ended: an upstream may answer before it has read all."""
        self._inflow = inflow
        if inflow is not None:
            inflow.carried = True

    def verify(self, check: Check) -> None:
        """Let through only what this lets through; to be said before `run`."""
        self._check = check

    def discard(self) -> None:
        """Nothing will be relayed: close both ends."""
        self._end(BrokenBody("nothing to relay"))
        self._ours.close()
        os.close(self.fd)


class Inflow:
    """A request body on its way up: what the edge writes into its end of a socket pair, the upstream client reads."""

    def __init__(self, body: RequestBody) -> None:
        self.size = body.size
        self.carried = False
        self._socket = socket.socket(fileno=body.fd)
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._resume: Callable[[], None] | None = None
        self._waiting = False
        self._closed = False

    def attach(self, resume: Callable[[], None]) -> None:
        """Whom to call when more of the body is here."""
        self._resume = resume

    def read(self, limit: int) -> bytes | None:
        """Up to `limit` bytes; None when there are none yet, empty at the end.

        Raises ValueError for a body that broke off: the upstream must not take what came of it for the whole.
        """
        if self._closed:
            raise ValueError("nobody reads this request's body any more")
        try:
            return self._socket.recv(limit)
        except BlockingIOError:
            if not self._waiting:
                self._waiting = True
                self._loop.add_reader(self._socket, self._readable)
            return None
        except OSError as error:
            raise ValueError("the client broke off its request") from error

    async def read_all(self, limit: int) -> bytes:
        """The whole body; raises ValueError when it is larger than `limit`."""
        body = bytearray()
        while chunk := await self._loop.sock_recv(self._socket, limit + 1 - len(body)):
            body += chunk
            if len(body) > limit:
                raise ValueError(f"the body is larger than {limit} bytes")
        return bytes(body)

    def _readable(self) -> None:
        self._waiting = False
        self._loop.remove_reader(self._socket)
        if self._resume is not None:
            self._resume()

    def close(self) -> None:
        """Close our end; the edge sees that nobody reads on."""
        if not self._closed:
            self._closed = True
            if self._waiting:
                self._loop.remove_reader(self._socket)
            self._socket.close()
