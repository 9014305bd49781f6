"""One exchange with one upstream: libcurl's callbacks on one side, a sink and a source on the other.

The callbacks are synchronous, out of libcurl's own work. That gives back-pressure and head before data, and forbids
calling back into libcurl from there: whatever touches the handle is put off to the event loop's next turn.
"""

import asyncio
import contextlib
import io
import socket
from collections.abc import Callable
from typing import Any

import pycurl

from regproxy.model.address import Authority, Reach
from regproxy.model.decision import FailureClass
from regproxy.model.event import Event
from regproxy.model.message import Head
from regproxy.upstream.failure import UpstreamFailed, cause_of, class_of
from regproxy.upstream.head import HeadReader
from regproxy.upstream.options import set_options
from regproxy.upstream.request import BodySink, Limits, UpstreamRequest
from regproxy.upstream.told import told
from regproxy.upstream.trust import TrustBundle

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class Transfer:
    """A request on its way. Made by `Client.start`; ends exactly once, and reports one `UpstreamFinished`."""

    def __init__(
        self,
        request: UpstreamRequest,
        sink: BodySink,
        limits: Limits,
        reach: Reach,
        report: Callable[[Event], None],
    ) -> None:
        self._request = request
        self._sink = sink
        self._limits = limits
        self._reach = reach
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._reader = HeadReader(limits)
        self._head: Head | None = None
        self._heard_at = self._started
        self._curl: pycurl.Curl | None = None
        self._kick: Callable[[], None] = lambda: None
        self._bytes = 0
        self._sent = 0
        self._refusal: str | None = None
        self._blamed = True
        self._cause: Exception | None = None
        self._failure: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Runs while the source of the body has nothing to give.
        self._silence: asyncio.TimerHandle | None = None
        self._answered = asyncio.Event()
        self._ended = asyncio.Event()

    # -- for its user ------------------------------------------------------------------------------------------------

    async def head(self) -> Head:
        """The final head as soon as it is there; raises what `finished` raises when it never comes."""
        await self._answered.wait()
        if self._head is None:
            raise self._failure or self._failed(FailureClass.RESET, "no answer")
        return self._head

    async def finished(self) -> None:
        """Return when the answer is whole; raises UpstreamFailed when it is not, or what sink or source raised."""
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def authority(self) -> Authority:
        """Whom it asks."""
        return self._request.authority

    @property
    def multiplexed(self) -> bool | None:
        """Whether the answer came in HTTP/2; None while there is none."""
        return self._reader.multiplexed if self._head is not None else None

    @property
    def ended(self) -> bool:
        """Whether it is over, one way or the other."""
        return self._ended.is_set()

    def resume(self) -> None:
        """Go on after the sink took nothing or the source had nothing; harmless at any time."""
        self._loop.call_soon(self._wake)

    def cancel(self) -> None:
        """Give up: `finished` raises UpstreamFailed, and the sink hears nothing more."""
        if not self.ended:
            # Reported as no failure: it is nobody's fault.
            self._blamed = False
            self._stop(self._failed(FailureClass.RESET, "given up by this proxy", ours=True))

    # -- for the client ----------------------------------------------------------------------------------------------

    def prepare(self, curl: pycurl.Curl, trust: TrustBundle, kick: Callable[[], None], *, multiplexes: bool) -> None:
        """Set up a handle; `kick` makes the client look at its handles at once. Raises if already given up."""
        if self._cause is not None:
            raise self._cause
        set_options(curl, self._request, self._limits, trust, multiplexes=multiplexes, ipv6=self._reach.ipv6)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        curl.setopt(pycurl.HEADERFUNCTION, self._header)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.NOPROGRESS, 0)
        curl.setopt(pycurl.XFERINFOFUNCTION, self._progress)
        self._set_body(curl)
        self._curl, self._kick = curl, kick

    def ended_by_libcurl(self, number: int, message: str) -> None:
        """Libcurl is done; `number` 0 is success. The handle may be read until this returns."""
        os_errno = self._curl.getinfo(pycurl.OS_ERRNO) if self._curl is not None else 0
        self._curl = None
        if number == 0 and self._reader.head is None:
            self._end(self._cause or self._failed(FailureClass.RESET, "the connection closed inside the header"))
        elif number == 0:
            self._end(self._cause)
        elif self._cause is None and self._refusal is not None and number == pycurl.E_COULDNT_CONNECT:
            way_out = "a registry block opens a private address by naming the host, any other by allow-address"
            self._end(self._failed(FailureClass.CONNECT, f"{self._refusal}; {way_out}", ours=True))
        else:
            cause = self._cause or self._failed(class_of(number), cause_of(number, message, os_errno))
            self._end(cause)

    def end(self, failure: Exception) -> None:
        """End a transfer that never reached libcurl."""
        self._curl = None
        self._end(self._cause or failure)

    def refuse(self, cause: str, failure: FailureClass = FailureClass.CONNECT) -> None:
        """End a transfer that is not sent, for a reason of our own."""
        self.end(self._failed(failure, cause, ours=True))

    # -- ending ------------------------------------------------------------------------------------------------------

    def _failed(self, failure: FailureClass, cause: str, *, ours: bool = False) -> UpstreamFailed:
        return UpstreamFailed(failure, f"{self._request.authority.name}: {cause}", ours=ours)

    def _stop(self, cause: Exception) -> None:
        if self._cause is None and not self.ended:
            self._cause = cause
            # Nobody waits for libcurl: it gives the handle back when it next looks, within a second of a transfer and
            # at its time limit of a connect.
            self._end(cause)
            self._loop.call_soon(self._wake)

    def _end(self, failure: Exception | None) -> None:
        if self.ended:
            return
        self._failure = failure
        for timer in (self._timer, self._silence):
            if timer is not None:
                timer.cancel()
        self._answered.set()
        self._ended.set()
        spent, first = ((at - self._started) * 1000 for at in (self._loop.time(), self._heard_at))
        word = failure.failure if self._blamed and isinstance(failure, UpstreamFailed) else ""
        for event in told(self._request, self._reader.head, self._bytes, spent, first, word):
            self._report(event)

    def _wake(self) -> None:
        if self._curl is None:
            return
        # It may have failed while paused, or have no connection yet: the client tells us of either.
        with contextlib.suppress(pycurl.error):
            self._curl.pause(pycurl.PAUSE_CONT)
        self._kick()

    # -- libcurl's callbacks: none of them may raise -----------------------------------------------------------------

    def _progress(self, *_: int) -> int:
        return 0 if self._cause is None else 1

    def _open_socket(self, _purpose: int, address: tuple[int, int, int, Any]) -> Any:
        family, kind, protocol, name = address
        try:
            if family not in (socket.AF_INET, socket.AF_INET6):
                self._refusal = "only IP addresses are dialled"
                return pycurl.SOCKET_BAD
            refusal = self._reach.refusal(name[0], name[1])
            if refusal is not None:
                self._refusal = refusal
                return pycurl.SOCKET_BAD
            opened = socket.socket(family, kind, protocol)
        except (OSError, ValueError, IndexError, TypeError) as error:
            self._refusal = f"no socket: {error}"
            return pycurl.SOCKET_BAD
        # pycurl duplicates the descriptor when we return.
        self._loop.call_soon(opened.close)
        return opened

    def _header(self, line: bytes) -> int:
        try:
            head = self._reader.line(line)
            if head is not None and self._cause is None:
                if self._timer is not None:
                    self._timer.cancel()
                self._heard_at = self._loop.time()
                self._sink.head(head)
                self._head = head
                self._answered.set()
        except ValueError as error:
            return self._broken(self._failed(FailureClass.RESET, str(error)) if self._reader.head is None else error)
        except Exception as error:  # whatever the sink raises comes out of finished()
            return self._broken(error)
        return len(line)

    def _write(self, chunk: bytes) -> int:
        if self._cause is not None:
            return 0
        if self._reader.head is None:
            return self._broken(self._failed(FailureClass.RESET, "the body came before the header ended"))
        try:
            if not self._sink.data(chunk):
                return int(pycurl.WRITEFUNC_PAUSE)
        except Exception as error:  # whatever the sink raises comes out of finished()
            return self._broken(error)
        self._bytes += len(chunk)
        return len(chunk)

    def _broken(self, cause: Exception) -> int:
        if self._cause is None:
            self._cause = cause
        return 0

    # -- the request body and the wait for the first byte ------------------------------------------------------------

    def _set_body(self, curl: pycurl.Curl) -> None:
        body = self._request.body
        if body is None and self._request.method in _BODY_METHODS:
            body = b""
        if body is None:
            self._await_first_byte()
            return
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.CUSTOMREQUEST, self._request.method)
        if isinstance(body, bytes):
            stream = io.BytesIO(body)
            curl.setopt(pycurl.INFILESIZE_LARGE, len(body))
            curl.setopt(pycurl.READFUNCTION, stream.read)
            curl.setopt(pycurl.SEEKFUNCTION, lambda offset, origin: stream.seek(offset, origin) and 0)
            self._await_first_byte()
            return
        body.attach(self.resume)
        # A stale pooled connection would cost us body bytes that cannot be read twice.
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        curl.setopt(pycurl.INFILESIZE_LARGE, -1 if body.size is None else body.size)
        curl.setopt(pycurl.READFUNCTION, self._read)
        if body.size == 0:
            self._await_first_byte()

    def _read(self, limit: int) -> bytes | int:
        source = self._request.body
        if self._cause is not None or source is None or isinstance(source, bytes):
            return int(pycurl.READFUNC_ABORT)
        try:
            piece = source.read(limit)
        except Exception as error:  # likewise
            self._broken(error)
            return int(pycurl.READFUNC_ABORT)
        if piece is None:
            if self._silence is None:
                # Libcurl does not look at the speed of what is paused.
                seconds = self._limits.stall
                silent = self._failed(FailureClass.TIMEOUT, f"nothing came of the request for {seconds} s", ours=True)
                self._silence = self._loop.call_later(seconds, self._stop, silent)
            return int(pycurl.READFUNC_PAUSE)
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self._sent += len(piece)
        if not piece or self._sent == source.size:
            self._await_first_byte()
        return piece

    def _await_first_byte(self) -> None:
        if self._timer is None:
            seconds = self._limits.first_byte
            late = self._failed(FailureClass.TIMEOUT, f"no answer within {seconds:g} s")
            self._timer = self._loop.call_later(seconds, self._stop, late)
