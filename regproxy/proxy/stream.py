"""A client's connection: one stream from accept to close, TLS switched on in place, one deadline at a time.

What comes is given to a function below Tornado first (`take`), which answers it at once or hands it up; only then is
it Tornado's to read. Names of Tornado's that this file relies on beyond its public interface, and `sending` with it:
`_handle_events`, `_handle_read`, `_handle_write`, `_add_io_state`, `_check_closed`, `_closed`, `_write_buffer`,
`_read_buffer`, `_read_buffer_size`, `_check_max_bytes`, `_read_max_bytes`, `_state`; a test lists them, so that an
update fails loudly.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from tornado.httputil import HTTPInputError
from tornado.iostream import StreamClosedError, UnsatisfiableReadError

from regproxy.model.event import HandshakeCause
from regproxy.proxy.deadline import IDLE_SECONDS, SEND_SECONDS, Deadline, Waiting
from regproxy.proxy.framing import has_bare_line_feed
from regproxy.proxy.sending import TURN_BYTES, SendingStream
from regproxy.proxy.session import TlsSession

RECEIVE_BYTES = 64 * 1024
HANDSHAKE_SECONDS = 10.0
HEAD_SECONDS = 30.0
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class ClientStream(SendingStream):
    """A client's bytes, in the clear at first, through TLS after `begin_tls`.

    See `SendingStream` for `scratch`; `on_closed` is told once, when the connection is over.
    """

    def __init__(
        self, connection: socket.socket, scratch: memoryview, on_closed: Callable[["ClientStream"], None]
    ) -> None:
        super().__init__(connection, scratch, RECEIVE_BYTES)
        self._on_closed = on_closed
        self._deadline = Deadline(self._expired)
        self._aborted = False
        self._waiting = Waiting.NOTHING
        self.timed_out: Waiting | None = None
        self._taker: Callable[[bytes], None] | None = None
        self._received = False
        # Whether TLS with the proxy itself is around it.
        self.secured = False
        # Told once, when the connection is over.
        self.ended: Callable[[], None] | None = None
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

    def _progressed(self) -> None:
        """The client took something of what it is waited for."""
        if self._waiting is Waiting.CLIENT:
            self._deadline.set(SEND_SECONDS)

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

    def begin_tls(self, context: ssl.SSLContext, last: bytes) -> None:
        """Send `last` in the clear and speak TLS from there on, as the server.

        Raises ValueError when the client has sent bytes in the clear, and OSError.
        """
        if self._read_buffer_size:
            raise ValueError("the client sent bytes before the tunnel was open")
        self._send(memoryview(last))
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
        while True:
            count = tls.read(buf)
            if tls.shaken and self._waiting is Waiting.HANDSHAKE:
                self.await_request(HEAD_SECONDS)
            if tls.sends:
                self._flush_soon()
            if count is not None or (self._taker is not None and self._received):
                return count  # Who is answered below Tornado and asks again at once waits for a turn.
            try:
                received = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return None
            self._received = True
            if not received:
                if not tls.shaken:
                    tls.failure = "closed"
                return 0
            tls.receive(received)

    # Heads, as Tornado reads them.

    async def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> bytes:
        """A head; raises HTTPInputError for one whose lines some would divide otherwise.

        Once the connection is over none is read, also of what came before the end: StreamClosedError.
        """
        self._check_closed()
        head = await super().read_until_regex(regex, max_bytes)
        if has_bare_line_feed(head):
            raise HTTPInputError("a line ends in LF alone")
        return head

    def _check_max_bytes(self, delimiter: Any, size: int) -> None:
        """A buffer that is full without an end in it is too full: Tornado would wait for an event that never comes."""
        if self._read_max_bytes is not None and size >= self._read_max_bytes:
            raise UnsatisfiableReadError(f"more than {self._read_max_bytes} bytes")

    # Below Tornado: what comes goes to a function, until it hands it up.

    @property
    def ahead(self) -> bool:
        """Whether bytes have come that nobody took."""
        return bool(self._read_buffer_size) or (self._tls is not None and self._tls.holds)

    def take(self, taker: Callable[[bytes], None]) -> None:
        """Give what comes to `taker`, which answers it or hands it up; nothing may be ahead."""
        if not self.closed():
            self._taker = taker
            self._add_io_state(self.io_loop.READ)

    def answer(self, answer: bytes) -> None:
        """Send this, whole, and wait for the next request."""
        self._send(memoryview(answer))
        self.await_request()

    def hand_up(self, came: bytes) -> None:
        """These bytes, and what comes after them, are Tornado's to read."""
        self._taker = None
        self._read_buffer += came
        self._read_buffer_size += len(came)
        self._await(Waiting.HEAD, HEAD_SECONDS)

    def _take(self) -> None:
        """Give away what has come, as long as the answers leave; the socket is asked once each turn."""
        try:
            while (taker := self._taker) is not None and not self.closed() and not self.writing():
                count = self._read_tls(self._tls, self._scratch) if self._tls is not None else self._read_clear()
                if count == 0:
                    self._leave()
                if not count:
                    return
                taker(bytes(self._scratch[:count]))
                if self._received and (self._tls is None or not self._tls.holds):
                    return  # All that this turn brought is answered.
        except OSError as error:
            self.close(exc_info=error)
        except BaseException:
            self.abort()
            raise

    def _leave(self) -> None:
        """The client has ended its side between requests: say close_notify, unless it has hung up as well."""
        with contextlib.suppress(BlockingIOError):
            self._aborted = not self.socket.recv(1)
        self.close()

    def _read_clear(self) -> int | None:
        if self._received:
            return None
        self._received = True
        try:
            return self.socket.recv_into(self._scratch, RECEIVE_BYTES)
        except BlockingIOError:
            return None

    def _handle_read(self) -> None:
        if self._taker is None:
            super()._handle_read()
        else:
            self._take()

    # Events, and ends.

    def _handle_events(self, fd: Any, events: int) -> None:
        self._budget = TURN_BYTES
        self._received = False
        if self._taker is not None and events == self.io_loop.READ and not self.closed():
            self._take()
            if self.closed() or not self.writing():
                return
            events = 0  # Tornado watches for what is left to do: sending, and no more reading before that.
        super()._handle_events(fd, events)

    def _handle_write(self) -> None:
        super()._handle_write()
        if self._taker is not None and not self.closed() and self.ahead:
            self._take()

    async def hang_up(self) -> None:
        """Close in good order, once everything has left."""
        self.await_client()
        with contextlib.suppress(StreamClosedError):
            await self.write(b"")
        self.close()

    def abort(self) -> None:
        """Close without a clean end of TLS, so that the client sees a broken body."""
        self._aborted = True
        self.close()

    def close(self, exc_info: Any = False) -> None:
        """Close; an orderly end of TLS says close_notify first."""
        if not self.closed():
            if isinstance(exc_info, UnsatisfiableReadError) and not self.writing():
                with contextlib.suppress(OSError):
                    self._send(memoryview(TOO_LARGE))
            self._waiting = Waiting.NOTHING
            self._deadline.cancel()
            if self._tls is not None and not self._aborted and not exc_info and not self.writing():
                self._tls.end()
                with contextlib.suppress(OSError):
                    self._flush()
            self._on_closed(self)
        # Nothing points back to whoever was served: what is over is freed here and now.
        ended, self._taker, self.ended = self.ended, None, None
        super().close(exc_info)
        if self._pump is not None and not self._pump.done.done():
            self._pump.done.set_exception(StreamClosedError(real_error=self.error))
        if ended is not None:
            ended()

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
