"""A client's connection: one stream from accept to close, TLS switched on in place, one deadline at a time.

TLS goes through memory BIOs: `SSLSocket.send` makes one system call per 16 KB record, here sixteen go at once.
A turn of the event loop sends at most `TURN_BYTES` per stream, so that a fast reader does not starve the others.
Names of Tornado's that this file relies on beyond its public interface: `_handle_write`, `_add_io_state`, `_closed`,
`_write_buffer`, `_read_buffer`, `_read_buffer_size`, `_state`; a test lists them, so that an update fails loudly.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from enum import Enum
from typing import Any

from tornado.iostream import IOStream

RECORD_BYTES = 16 * 1024
BATCH_BYTES = 256 * 1024
TURN_BYTES = 256 * 1024
RECEIVE_BYTES = 64 * 1024
HANDSHAKE_SECONDS = 10.0
HEAD_SECONDS = 30.0
IDLE_SECONDS = 60.0


class Waiting(Enum):
    """What the connection waits for, and so which deadline it is under."""

    REQUEST = "request"
    HEAD = "head"
    HANDSHAKE = "handshake"
    NOTHING = "nothing"


class ClientStream(IOStream):
    """A client's bytes, in the clear at first, through TLS after `begin_tls`."""

    def __init__(self, connection: socket.socket, on_closed: Callable[["ClientStream"], None]) -> None:
        super().__init__(connection, read_chunk_size=RECEIVE_BYTES)
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ciphertext = b""
        self._sent = 0
        self._uncredited = 0
        self._budget = TURN_BYTES
        self._aborted = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = Waiting.NOTHING
        self.tls_failure: str | None = None
        self.timed_out: Waiting | None = None
        self.await_request(HEAD_SECONDS)

    # Deadlines.

    def await_request(self, seconds: float = IDLE_SECONDS) -> None:
        """The connection is idle: a request must begin within `seconds`, and its head be whole 30 s later."""
        self._await(Waiting.REQUEST, seconds)

    def request_received(self) -> None:
        """A request's head is here; from now on only its answer's progress counts."""
        self._await(Waiting.NOTHING, None)

    def sending(self, seconds: float | None) -> None:
        """What is being sent must be taken within `seconds`; None: nothing is being sent."""
        self._await(Waiting.NOTHING, seconds)

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which no byte has come."""
        return self._waiting is Waiting.REQUEST

    def _await(self, waiting: Waiting, seconds: float | None) -> None:
        self._waiting = waiting
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and not self.closed():
            self._timer = self._loop.call_later(seconds, self._expired)

    def _expired(self) -> None:
        self._timer = None
        self.timed_out = self._waiting
        if self._waiting is Waiting.HANDSHAKE:
            self.tls_failure = "timeout"
        self.abort()

    # TLS.

    def begin_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, as the server; raises ValueError when the client has sent bytes in the clear."""
        if self._read_buffer_size:
            raise ValueError("the client sent bytes before the tunnel was open")
        context.sni_callback = _note_name
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._await(Waiting.HANDSHAKE, HANDSHAKE_SECONDS)

    @property
    def requested_name(self) -> str | None:
        """The name that the client asked for by SNI, if it did."""
        return getattr(self._tls, "requested_name", None)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read plaintext; the handshake runs here, with the first bytes."""
        try:
            count = super().read_from_fd(buf) if self._tls is None else self._read_tls(self._tls, buf)
        finally:
            del buf
        if count and self._waiting is Waiting.REQUEST:
            self._await(Waiting.HEAD, HEAD_SECONDS)
        return count

    def _read_tls(self, tls: ssl.SSLObject, buf: bytearray | memoryview) -> int | None:
        while True:
            try:
                if self._waiting is Waiting.HANDSHAKE:
                    tls.do_handshake()
                    self.await_request(HEAD_SECONDS)
                return self._plaintext(tls, buf)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                return 0
            except ssl.SSLError as error:
                self.tls_failure = _cause(error)
                return 0
            finally:
                self._flush_soon()
            try:
                received = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return None
            if not received:
                if self._waiting is Waiting.HANDSHAKE:
                    self.tls_failure = "closed"
                return 0
            self._incoming.write(received)

    @staticmethod
    def _plaintext(tls: ssl.SSLObject, buf: bytearray | memoryview) -> int:
        return tls.read(len(buf), buf)  # type: ignore[return-value]

    # Writing: plaintext is credited only once its ciphertext has left, so a close right after loses nothing.

    def write_to_fd(self, data: memoryview) -> int:
        """Send some of the data; 0 when the socket is full or this turn's budget is spent."""
        try:
            if self._tls is None:
                return super().write_to_fd(data)
            return self._write_tls(self._tls, data)
        finally:
            del data

    def _write_tls(self, tls: ssl.SSLObject, data: memoryview) -> int:
        if not self._flush():
            return 0
        if self._uncredited:
            credited, self._uncredited = self._uncredited, 0
            return credited
        if self._budget <= 0 or self._waiting is Waiting.HANDSHAKE:
            return 0
        size = min(len(data), BATCH_BYTES)
        self._budget -= size
        taken = 0
        while taken < size:
            taken += tls.write(data[taken : min(taken + RECORD_BYTES, size)])
        if self._flush():
            return taken
        self._uncredited = taken
        return 0

    def _flush(self) -> bool:
        """Send what is encrypted; True when all of it has left."""
        while True:
            if self._sent >= len(self._ciphertext):
                self._ciphertext = b""
                self._sent = 0
                if not self._outgoing.pending:
                    return True
                self._ciphertext = self._outgoing.read()
            try:
                self._sent += self.socket.send(memoryview(self._ciphertext)[self._sent :])
            except BlockingIOError:
                return False

    def _flush_soon(self) -> None:
        if self._outgoing.pending and not self._write_buffer:
            try:
                flushed = self._flush()
            except OSError:
                return
            if not flushed:
                self._loop.call_soon(self._watch_writing)

    def _watch_writing(self) -> None:
        if not self.closed():
            self._add_io_state(self.io_loop.WRITE)

    def writing(self) -> bool:
        """Whether anything waits to be sent."""
        return self._sent < len(self._ciphertext) or super().writing()

    def _handle_write(self) -> None:
        self._budget = TURN_BYTES
        if self._sent < len(self._ciphertext):
            try:
                if not self._flush():
                    return
            except OSError as error:
                self.close(exc_info=error)
                return
        super()._handle_write()

    # Ends.

    def abort(self) -> None:
        """Close without a clean end of TLS, so that the client sees a broken body."""
        self._aborted = True
        self.close()

    def close(self, exc_info: Any = False) -> None:
        """Close; an orderly end of TLS says close_notify first."""
        if not self.closed():
            self._await(Waiting.NOTHING, None)
            if self._tls is not None and not self._aborted and not exc_info and not self.writing():
                self._say_goodbye(self._tls)
            self._on_closed(self)
        super().close(exc_info)

    def _say_goodbye(self, tls: ssl.SSLObject) -> None:
        # The peer's own close_notify is not waited for.
        with contextlib.suppress(ssl.SSLError, ValueError):
            tls.unwrap()
        with contextlib.suppress(OSError):
            self._flush()

    def detach_socket(self) -> tuple[socket.socket, bytes]:
        """Give up the socket, and what was read ahead, to somebody who reads and writes it directly."""
        ahead = self._read_buffer[: self._read_buffer_size]
        self._await(Waiting.NOTHING, None)
        self.io_loop.remove_handler(self.fileno())
        self._state = None
        connection = self.socket
        self.socket = None  # type: ignore[assignment]
        self._closed = True
        self._on_closed(self)
        return connection, bytes(ahead)


def _note_name(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
    """Keep the name asked for by SNI beside the connection: a request through it must not be for another."""
    vars(connection)["requested_name"] = name


def _cause(error: ssl.SSLError) -> str:
    """Why the client did not like us, as one of a few words."""
    reason = (getattr(error, "reason", "") or "").upper()
    if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason or "CERTIFICATE_UNKNOWN" in reason:
        return "unknown_ca"
    return "other"
