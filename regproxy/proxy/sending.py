"""Sending to a client in shares: a turn of the event loop sends at most `TURN_BYTES` of each stream.

That takes one system call where the socket takes it all; a fast reader does not starve the others.
"""

import asyncio
import contextlib
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from tornado.iostream import IOStream

from regproxy.proxy.session import TlsSession

TURN_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Pump:
    """A body on its way: where its next bytes come from, and who waits for the last."""

    read: Callable[[memoryview], int]
    done: asyncio.Future[None]


class SendingStream(IOStream, ABC):
    """The sending half of a client's connection, in the clear, or through TLS once there is a session.

    `scratch` holds `TURN_BYTES` of plaintext for the length of one call; all streams of a loop share it.
    """

    def __init__(self, connection: socket.socket, scratch: memoryview, read_chunk_size: int) -> None:
        super().__init__(connection, read_chunk_size=read_chunk_size)
        self._scratch = scratch
        self._loop = asyncio.get_running_loop()
        self._tls: TlsSession | None = None
        self._pump: _Pump | None = None
        # What is on its way to the socket, and how much of it and of what comes behind it has left.
        self._unsent = b""
        self._sent = 0
        self._uncredited = 0
        self._budget = TURN_BYTES

    # What the whole connection makes of it: who is waited for, and how long.

    @abstractmethod
    def await_client(self) -> None:
        """Something is being sent."""

    @abstractmethod
    def await_nothing(self) -> None:
        """It is not the client that we wait for."""

    @abstractmethod
    def _progressed(self) -> None:
        """The client took something."""

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
            self._progressed()
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

    def _handle_write(self) -> None:
        try:
            if self._flush():
                super()._handle_write()
                if self._pump is not None and not self._write_buffer:
                    self._turn(self._pump)
        except OSError as error:
            self.close(exc_info=error)
