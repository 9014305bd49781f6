"""One connection to the core, as long as it lasts: asks on their way, fills that are followed, bodies that stream."""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from regproxy.model.answer import Answer, Filling, Reply, Stored, Streaming
from regproxy.wire.beside import from_memory
from regproxy.wire.bodies import RemoteEnding, RemoteFill
from regproxy.wire.channel import Channel, FrameError
from regproxy.wire.frames import (
    VERSION,
    Advanced,
    Connected,
    FillEnded,
    Forgotten,
    Frame,
    FromCore,
    GaveFilling,
    GaveReply,
    GaveStored,
    GaveStreaming,
    Given,
    Gone,
    Hello,
    Identified,
    Intercepted,
    LeafGiven,
    NoLeaf,
    Refused,
    SightingsGiven,
    StreamEnded,
    Tunnelled,
    Welcome,
)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connected socket, owned by whoever asked for it."""

    fd: int


Found = Answer | Identified | Intercepted | Tunnelled | Connection | Refused | LeafGiven | NoLeaf | SightingsGiven

LOST = "the core ended"


class Lost(Exception):  # noqa: N818 -- what happened, not whose fault it was
    """The connection ended before the answer came."""


class _Follower:
    """One reader of a fill."""

    def __init__(self, link: "Link", number: int, fill: int, shared: RemoteFill) -> None:
        self._link = link
        self._number = number
        self._fill = fill
        self._shared = shared
        shared.readers += 1

    async def beyond(self, offset: int) -> int:
        """See `model.Progress`."""
        return await self._shared.beyond(offset)

    def leave(self) -> None:
        """See `model.Progress`."""
        self._shared.readers -= 1
        self._link.left(self._number, self._fill, self._shared)


class Link:
    """Owns one channel and all that hangs on it; `ended` is done when it is over."""

    def __init__(
        self,
        connection: socket.socket,
        greeted: Callable[["Link", Welcome], None],
        forget: Callable[[Forgotten], None],
        lost: Callable[["Link"], None],
    ) -> None:
        self._greeted = greeted
        self._forget = forget
        self._lost = lost
        self._asks: dict[int, asyncio.Future[Found]] = {}
        self._fills: dict[int, RemoteFill] = {}
        self._streams: dict[int, RemoteEnding] = {}
        self._numbered = 0
        self.welcomed = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.channel: Channel[FromCore] = Channel(connection, FromCore, self._received, self._closed)
        self.channel.send(Hello(VERSION))

    def close(self) -> None:
        """End it."""
        self.channel.close()

    def _closed(self) -> None:
        """The core is gone: nobody may take what it left for whole, or ask it again."""
        self._lost(self)
        for ask in self._asks.values():
            if not ask.done():
                ask.set_exception(Lost(LOST))
        for fill in self._fills.values():
            fill.ended(0, LOST)
        for stream in self._streams.values():
            stream.ended(LOST)
        self._fills.clear()
        self._streams.clear()
        if not self.ended.done():
            self.ended.set_result(None)

    # Asking.

    async def ask(self, make: Callable[[int], Frame], fd: int | None = None) -> Found:
        """Send the frame that `make` gives for a number, and `fd`; the answer. Raises Lost."""
        self._numbered += 1
        number = self._numbered
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        if not self.channel.open:
            if fd is not None:
                os.close(fd)
            raise Lost(LOST)
        self._asks[number] = answer
        try:
            self.channel.send(make(number), fd)
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                _discard(answer.result())
            else:
                self.channel.send(Gone(number))
            raise
        finally:
            del self._asks[number]

    def left(self, number: int, fill: int, shared: RemoteFill) -> None:
        """A reader of a fill has gone."""
        if not shared.readers and self._fills.get(fill) is shared:
            del self._fills[fill]
        self.channel.send(Gone(number))

    # Frames.

    def _received(self, frame: FromCore, fd: int | None) -> None:
        match frame:
            case Welcome(version=version):
                if version != VERSION:
                    raise FrameError(f"a core that speaks version {version}, not {VERSION}")
                self.welcomed = True
                self._greeted(self, frame)
            case Forgotten():
                self._forget(frame)
            case Advanced(fill=number, have=have):
                if number in self._fills:
                    self._fills[number].advanced(have)
            case FillEnded(fill=number, have=have, why=why, interrupted=interrupted):
                if number in self._fills:
                    self._fills.pop(number).ended(have, why, interrupted=interrupted)
            case StreamEnded(id=number, why=why):
                if number in self._streams:
                    self._streams.pop(number).ended(why)
            case _:
                self._answered(frame.id, frame, fd)

    def _answered(self, number: int, frame: Given, fd: int | None) -> None:
        ask = self._asks.get(number)
        if ask is None or ask.done():
            # Nobody waits any more; the core has been told.
            if fd is not None:
                os.close(fd)
            return
        ask.set_result(self._found(frame, fd))

    def _found(self, frame: Given, fd: int | None) -> Found:
        match frame:
            case GaveStored(head=head, digest=digest, size=size, labels=labels):
                return Stored(head, digest, size, labels, frame.until, frame.audience)
            case GaveReply(head=head, body=body, labels=labels):
                if fd is not None:
                    body = from_memory(fd, frame.size)
                return Reply(head, body, labels, frame.until, frame.audience)
            case GaveFilling(id=number, fill=fill, head=head, size=size, labels=labels) if fd is not None:
                shared = self._fills.setdefault(fill, RemoteFill())
                shared.advanced(frame.have)
                return Filling(head, size, fd, _Follower(self, number, fill, shared), labels)
            case GaveStreaming(id=number, head=head, labels=labels) if fd is not None:
                ending = self._streams[number] = RemoteEnding()
                return Streaming(head, fd, ending, labels)
            case Connected() if fd is not None:
                return Connection(fd)
            case GaveFilling() | GaveStreaming() | Connected():
                raise FrameError("what a frame is about did not travel along")
            case _:
                return frame


def _discard(found: Found) -> None:
    """Let go of what an answer owns that nobody will send."""
    match found:
        case Filling(fd=fd, progress=progress):
            progress.leave()
            os.close(fd)
        case Streaming(fd=fd) | Connection(fd=fd):
            os.close(fd)
        case _:
            pass
