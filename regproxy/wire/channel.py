"""One end of a connection between two processes: frames in order, a bounded queue, descriptors that are never lost."""

import array
import asyncio
import os
import socket
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from regproxy.wire.frames import MAX_FRAME, Frame

F = TypeVar("F")

MAX_QUEUED = 1024
# One turn of the event loop takes no more frames of one channel than this.
MAX_TURN = 64
SEND_BUFFER = 2 * MAX_FRAME
# Room for one descriptor; CMSG_SPACE, which pads, would let two in.
_ANCILLARY = socket.CMSG_LEN(array.array("i").itemsize)


class FrameError(ValueError):
    """The other side sent, or we would send, what is no frame."""


@dataclass(slots=True)
class _Queued:
    """A frame that waits for room in the socket, and the descriptor it owns."""

    data: bytes
    fd: int | None


class Channel(Generic[F]):
    """Owns a connected SOCK_SEQPACKET socket; belongs to the event loop.

    Nobody ever waits for the other side: what it does not take is queued, and a full queue closes the channel.
    `received` gets each frame and its descriptor, which it owns from then on; `closed` is called exactly once.
    """

    def __init__(
        self,
        connection: socket.socket,
        kind: Any,
        received: Callable[[F, int | None], None],
        closed: Callable[[], None],
    ) -> None:
        """`kind` is the union of frames that may be received."""
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._socket = connection
        self._decoder: msgspec.msgpack.Decoder[F] = msgspec.msgpack.Decoder(kind)
        self._encoder = msgspec.msgpack.Encoder()
        self._received = received
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(MAX_FRAME)
        self._queue: dict[Hashable, _Queued] = {}
        self._numbered = 0
        self._emptied: asyncio.Future[None] | None = None
        self.open = True
        self._loop.add_reader(connection, self._readable)

    # Sending.

    def send(self, frame: Frame, fd: int | None = None, latest: Hashable = None) -> None:
        """Send a frame and `fd`, which is closed here; a queued frame of the same `latest` is replaced.

        A closed channel swallows frames. Raises FrameError for a frame that is too large.
        """
        data = self._encoder.encode(frame)
        if not self.open or len(data) > MAX_FRAME:
            _close(fd)
            if self.open:
                raise FrameError(f"a frame of {len(data)} bytes is larger than {MAX_FRAME}")
            return
        if not self._queue and self._sent(data, fd):
            _close(fd)
            return
        if not self.open:
            _close(fd)
            return
        if latest is None:
            self._numbered += 1
        key: Hashable = self._numbered if latest is None else ("latest", latest)
        if key not in self._queue and len(self._queue) >= MAX_QUEUED:
            _close(fd)
            self.close()
            return
        if not self._queue:
            self._loop.add_writer(self._socket, self._writable)
        self._queue[key] = _Queued(data, fd)

    def _sent(self, data: bytes, fd: int | None) -> bool:
        """Whether the socket took the frame; a socket that is gone closes the channel."""
        ancillary = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        try:
            self._socket.sendmsg([data], ancillary)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.close()
            return False
        return True

    def _writable(self) -> None:
        while self._queue:
            key, first = next(iter(self._queue.items()))
            if not self._sent(first.data, first.fd):
                return
            _close(first.fd)
            del self._queue[key]
        self._loop.remove_writer(self._socket)
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    async def emptied(self, seconds: float) -> None:
        """Wait, at most `seconds`, until the socket has taken all that was sent."""
        if self._queue:
            self._emptied = self._loop.create_future()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied, seconds)

    # Receiving.

    def _readable(self) -> None:
        for _ in range(MAX_TURN):
            try:
                size, ancillary, flags, _ = self._socket.recvmsg_into(
                    [self._buffer], _ANCILLARY, socket.MSG_CMSG_CLOEXEC
                )
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                size, ancillary, flags = 0, [], 0
            fds = _descriptors(ancillary)
            if not size or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                for fd in fds:
                    os.close(fd)
                self.close()
                return
            self._take(memoryview(self._buffer)[:size], fds[0] if fds else None)
            if not self.open:
                return

    def _take(self, data: memoryview, fd: int | None) -> None:
        try:
            frame = self._decoder.decode(data)
        except msgspec.DecodeError:
            _close(fd)
            self.close()
            return
        try:
            self._received(frame, fd)
        except FrameError:
            self.close()

    # The end.

    def close(self) -> None:
        """Close the socket and every descriptor that still waits to be sent."""
        if not self.open:
            return
        self.open = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        queue, self._queue = self._queue, {}
        for queued in queue.values():
            _close(queued.fd)
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
        self._closed()


def _close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that came with a message."""
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
