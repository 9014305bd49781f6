"""A client's connection: one stream from accept to close, TLS switched on in place, one deadline at a time.

A turn of the event loop sends at most `TURN_BYTES` of each stream, in one system call where the socket takes it: a fast
reader does not starve the others. Names of Tornado's that this file relies on beyond its public interface:
`_handle_events`, `_handle_write`, `_add_io_state`, `_check_closed`, `_closed`, `_write_buffer`, `_read_buffer`,
`_read_buffer_size`, `_state`; a test lists them, so that an update fails loudly.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado.iostream import IOStream, StreamClosedError

from regproxy.model.event import HandshakeCause
from regproxy.proxy.deadline import IDLE_SECONDS, SEND_SECONDS, Deadline, Waiting
from regproxy.proxy.session import TlsSession

TURN_BYTES = 256 * 1024
RECEIVE_BYTES = 64 * 1024
HANDSHAKE_SECONDS = 10.0
HEAD_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Pump:
    """A body on its way: where its next bytes come from, and who waits for the last."""

    read: Callable[[memoryview], int]
    done: asyncio.Future[None]


class ClientStream(IOStream):
    """A client's bytes, in the clear at first, through TLS after `begin_tls`.

    `scratch` holds `TURN_BYTES` of plaintext for the length of one call; all streams of a loop share it.
    """

    def __init__(
        self, connection: socket.socket, scratch: memoryview, on_closed: Callable[["ClientStream"], None]
    ) -> None:
        super().__init__(connection, read_chunk_size=RECEIVE_BYTES)
        self._scratch = scratch
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline(self._expired)
        self._tls: TlsSession | None = None
        self._pump: _Pump | None = None
        # What is on its way to the socket, and how much of it and of what comes behind it has left.
        self._unsent = b""
        self._sent = 0
        self._uncredited = 0
        self._budget = TURN_BYTES
        self._aborted = False
        self._waiting = Waiting.NOTHING
        self.timed_out: Waiting | None = None
        # Told of plaintext that comes while nothing else is under way; may answer it. And what it says was a head.
        self.recall: Callable[[bytes], bytes | None] | None = None
        self.head: bytes | None = None
        self.await_request(HEAD_SECONDS)

    # Deadlines.

    def await_request(self, seconds: float = IDLE_SECONDS) -> None:
        """The connection is idle: a request must begin within `seconds`, and its head be whole 30 s later."""
        self._await(Waiting.REQUEST, seconds)

    def request_received(self) -> None:
        """A request's head is here; from now on only its answer's progress counts."""
        self._await(Waiting.NOTHING, None)

    def await_client(self) -> None:
        """Something is being sent: the client must take some of it every `SEND_SECONDS`."""
        self._await(Waiting.CLIENT, SEND_SECONDS)

    def await_nothing(self) -> None:
        """It is not the client that we wait for."""
        self._await(Waiting.NOTHING, None)

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which no byte has come, and nothing is left to send."""
        return self._waiting is Waiting.REQUEST and not self.writing()

    def _await(self, waiting: Waiting, seconds: float | None) -> None:
        self._waiting = waiting
        if not self.closed():
            self._deadline.set(seconds)

    def _expired(self) -> None:
        self.timed_out = self._waiting
        if self._tls is not None and self._waiting is Waiting.HANDSHAKE:
            self._tls.failure = "timeout"
        self.abort()

    # TLS.

    def begin_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, as the server; raises ValueError when the client has sent bytes in the clear."""
        if self._read_buffer_size:
            raise ValueError("the client sent bytes before the tunnel was open")
        self._tls = TlsSession(context)
        self._await(Waiting.HANDSHAKE, HANDSHAKE_SECONDS)

    @property
    def requested_name(self) -> str | None:
        """The name that the client asked for by SNI, if it did."""
        return self._tls.requested_name if self._tls is not None else None

    @property
    def tls_failure(self) -> HandshakeCause | None:
        """Why TLS failed, in a word, if it did."""
        return self._tls.failure if self._tls is not None else None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read plaintext; the handshake runs here, with the first bytes."""
        try:
            count = super().read_from_fd(buf) if self._tls is None else self._read_tls(self._tls, buf)
        finally:
            del buf
        if count and self._waiting is Waiting.REQUEST:
            self._await(Waiting.HEAD, HEAD_SECONDS)
        return count

    def _read_tls(self, tls: TlsSession, buf: bytearray | memoryview) -> int | None:
        answered = False
        while True:
            count = tls.read(buf)
            if tls.shaken and self._waiting is Waiting.HANDSHAKE:
                self.await_request(HEAD_SECONDS)
            if tls.sends:
                self._flush_soon()
            if count and self._answered(tls, memoryview(buf)[:count]):
                answered = True
                continue
            if count is not None or answered:
                return count  # Who was answered and asks again at once waits for a turn.
            try:
                received = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return None
            if not received:
                if not tls.shaken:
                    tls.failure = "closed"
                return 0
            tls.receive(received)

    def _answered(self, tls: TlsSession, plaintext: memoryview) -> bool:
        """Whether this was a request that could be answered at once, below Tornado, and was."""
        self.head = None
        if self.recall is None or self._waiting is not Waiting.REQUEST or self._read_buffer_size or self.writing():
            return False
        answer = self.recall(bytes(plaintext))
        if answer is not None:
            tls.encrypt(memoryview(answer))
            self._flush_soon()
            self.await_request()
        return answer is not None

    # Writing: plaintext is credited only once its ciphertext has left, so a close right after loses nothing.

    def write_to_fd(self, data: memoryview) -> int:
        """Send some of the data; 0 when the socket is full or this turn's budget is spent."""
        try:
            if not self._flush():
                return 0
            if self._uncredited:
                credited, self._uncredited = self._uncredited, 0
                return credited
            if self._budget <= 0 or (self._tls is not None and not self._tls.shaken):
                return 0
            size = min(len(data), self._budget)
            if self._send(data[:size]):
                return size
            self._uncredited = size
            return 0
        finally:
            del data

    async def pump(self, read: Callable[[memoryview], int]) -> None:
        """Send what `read` puts into the room that it is given, until it puts nothing there.

        Returns when all of it has left; raises what `read` raises, and StreamClosedError. No coroutine runs between
        two batches: the event that the socket takes more reads, encrypts and sends the next.
        """
        self._check_closed()
        pump = self._pump = _Pump(read, self._loop.create_future())
        self.await_client()
        try:
            self._handle_write()
            if self._pump is not None:
                self._add_io_state(self.io_loop.WRITE)
            await pump.done
        finally:
            self._pump = None
        self.await_nothing()

    def _turn(self, pump: _Pump) -> None:
        """One batch of a body, or what is left of this turn's budget."""
        if self._budget <= 0 or pump.done.done():
            return
        try:
            count = pump.read(self._scratch[: self._budget])
        except Exception as error:  # whatever `read` raises comes out of pump()
            self._pump = None
            pump.done.set_exception(error)
            return
        if count:
            self._send(self._scratch[:count])
        else:
            self._pump = None
            pump.done.set_result(None)

    def _send(self, plaintext: memoryview) -> bool:
        """Begin to send these bytes, of which the budget allows all; True when they have left."""
        self._budget -= len(plaintext)
        if self._tls is None:
            self._unsent, self._sent = bytes(plaintext), 0
        else:
            self._tls.encrypt(plaintext)
        return self._flush()

    def _flush(self) -> bool:
        """Send what is on its way; True when all of it has left."""
        while True:
            if self._sent == len(self._unsent):
                self._unsent, self._sent = self._tls.ciphertext() if self._tls is not None else b"", 0
                if not self._unsent:
                    return True
            try:
                self._sent += self.socket.send(memoryview(self._unsent)[self._sent :])
            except BlockingIOError:
                return False
            if self._waiting is Waiting.CLIENT:
                self._deadline.set(SEND_SECONDS)
            if self._sent < len(self._unsent):
                return False

    def _flush_soon(self) -> None:
        """Send what reading left to send, if no body carries it along."""
        if self._write_buffer or self._pump is not None:
            return
        with contextlib.suppress(OSError):
            if not self._flush():
                self._loop.call_soon(self._add_io_state, self.io_loop.WRITE)

    def writing(self) -> bool:
        """Whether anything waits to be sent."""
        return self._sent < len(self._unsent) or self._pump is not None or super().writing()

    def _handle_events(self, fd: Any, events: int) -> None:
        self._budget = TURN_BYTES
        super()._handle_events(fd, events)

    def _handle_write(self) -> None:
        try:
            if self._flush():
                super()._handle_write()
                if self._pump is not None and not self._write_buffer:
                    self._turn(self._pump)
        except OSError as error:
            self.close(exc_info=error)

    # Ends.

    def abort(self) -> None:
        """Close without a clean end of TLS, so that the client sees a broken body."""
        self._aborted = True
        self.close()

    def close(self, exc_info: Any = False) -> None:
        """Close; an orderly end of TLS says close_notify first."""
        if not self.closed():
            self._waiting = Waiting.NOTHING
            self._deadline.cancel()
            if self._tls is not None and not self._aborted and not exc_info and not self.writing():
                self._tls.end()
                with contextlib.suppress(OSError):
                    self._flush()
            self._on_closed(self)
        super().close(exc_info)
        if self._pump is not None and not self._pump.done.done():
            self._pump.done.set_exception(StreamClosedError(real_error=self.error))

    def detach_socket(self) -> tuple[socket.socket, bytes]:
        """Give up the socket, and what was read ahead, to somebody who reads and writes it directly."""
        ahead = self._read_buffer[: self._read_buffer_size]
        self._deadline.cancel()
        self.io_loop.remove_handler(self.fileno())
        self._state = None
        connection = self.socket
        self.socket = None  # type: ignore[assignment]
        self._closed = True
        self._on_closed(self)
        return connection, bytes(ahead)
