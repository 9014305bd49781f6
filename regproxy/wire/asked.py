"""What one edge has asked and not let go of: answers on their way, fills it follows, bodies that stream to it."""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from regproxy.model.address import Authority, parse_authority
from regproxy.model.answer import (
    Answer,
    Ask,
    BrokenBody,
    Core,
    Ending,
    Filling,
    Interrupted,
    Progress,
    Reply,
    RequestBody,
    Stored,
    Streaming,
)
from regproxy.model.connect import Intercept, ProxyUser, Refuse, Tunnel
from regproxy.model.event import Labels, Outcome
from regproxy.model.leaf import NotValidNow
from regproxy.model.refusal import refusal
from regproxy.wire.beside import in_memory
from regproxy.wire.channel import FrameError
from regproxy.wire.frames import (
    MAX_INLINE,
    Advanced,
    Asked,
    Connected,
    Connecting,
    FillEnded,
    Frame,
    GaveFilling,
    GaveReply,
    GaveStored,
    GaveStreaming,
    Identified,
    Identifying,
    Intercepted,
    LeafGiven,
    LeafWanted,
    NoLeaf,
    Refused,
    SightingsGiven,
    SightingsWanted,
    StreamEnded,
    Tunnelled,
)

MAX_ASKS = 16_384
FAILED = "regproxy: an internal error; its log says more"


class Send(Protocol):
    """How a frame leaves: see `Channel.send`."""

    def __call__(self, frame: Frame, fd: int | None = None, latest: object = None) -> None:
        """Send it."""
        ...


@dataclass(slots=True)
class _Followed:
    """A fill that some asks of this edge follow; `have` is what the edge was told last."""

    number: int
    progress: Progress
    readers: int = 0
    have: int = 0
    pump: asyncio.Task[None] | None = None


class Asks:
    """Owns the tasks that answer one edge, and its shares in fills."""

    def __init__(self, core: Core, send: Send) -> None:
        self._core = core
        self._send = send
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._bodies: dict[int, int] = {}
        self._reading: dict[int, tuple[_Followed, Progress]] = {}
        self._followed: dict[Progress, _Followed] = {}
        self._numbered = 0

    # What an edge asks.

    def ask(self, frame: Asked, fd: int | None) -> None:
        """Answer a request."""
        try:
            if (fd is None) == frame.body:
                raise FrameError("a body without its socket")
            authority = _authority(frame.authority)
            self._check(frame.id)
        except FrameError:
            _close(fd)
            raise
        if fd is not None:
            self._bodies[frame.id] = fd
        self._start(frame.id, self._answer(frame, authority))

    def learn(self, frame: Identifying | Connecting | LeafWanted | SightingsWanted) -> None:
        """Tell an edge what it wants to know."""
        self._check(frame.id)
        match frame:
            case Identifying():
                self._start(frame.id, self._identify(frame))
            case Connecting(through=True):
                self._start(frame.id, self._through_parent(frame, _authority(frame.authority)))
            case Connecting():
                self._start(frame.id, self._connect(frame, _authority(frame.authority)))
            case LeafWanted():
                self._start(frame.id, self._leaf(frame))
            case SightingsWanted():
                self._start(frame.id, self._sightings(frame))
            case _:
                assert_never(frame)

    def gone(self, number: int) -> None:
        """The edge no longer waits for this answer, or reads it."""
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()
        self._leave(number)

    def close(self) -> None:
        """The edge is gone: cancel what it asked, leave what it read."""
        for task in tuple(self._tasks.values()):
            task.cancel()
        for number in tuple(self._reading):
            self._leave(number)

    def _check(self, number: int) -> None:
        if number in self._tasks or number in self._reading or len(self._tasks) >= MAX_ASKS:
            raise FrameError("a number twice, or too many asks at once")

    def _start(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[number] = task
        task.add_done_callback(lambda done: self._done(number, done))

    def _done(self, number: int, task: asyncio.Task[None]) -> None:
        del self._tasks[number]
        # A task that was cancelled before it began has not taken its body.
        _close(self._bodies.pop(number, None))
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whoever waits must hear of it, for an answer or for its end; what an edge does not wait for, it ignores.
            self._give_reply(number, Reply(*refusal(500, "UNKNOWN", FAILED), Labels(Outcome.ERROR)))
            self._send(StreamEnded(number, FAILED))
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an ask failed", "exception": error, "task": task}
            )

    # Answers.

    async def _answer(self, frame: Asked, authority: Authority) -> None:
        fd = self._bodies.pop(frame.id, None)
        body = None if fd is None else RequestBody(fd, frame.size)
        who = frame.client, body, frame.user
        ask = Ask(authority, frame.scheme, frame.method, frame.target, frame.fields, *who, span=frame.span)
        answer = await self._core.answer(ask)
        try:
            await self._give(frame.id, answer)
        except FrameError as error:
            self._give_reply(frame.id, Reply(*refusal(502, "UNAVAILABLE", f"regproxy: {error}"), answer.labels))

    async def _give(self, number: int, answer: Answer) -> None:
        match answer:
            case Stored(head, digest, size, labels, until, audience):
                self._send(GaveStored(number, head, digest, size, labels, until, audience))
            case Reply():
                self._give_reply(number, answer)
            case Filling():
                self._give_filling(number, answer)
            case Streaming(head, fd, ending, labels):
                self._send(GaveStreaming(number, head, labels), fd)
                await self._watch(number, ending)
            case _:
                assert_never(answer)

    def _give_reply(self, number: int, reply: Reply) -> None:
        size = len(reply.body)
        inline, fd = (reply.body, None) if size <= MAX_INLINE else (b"", in_memory(reply.body))
        labels, until, audience = reply.labels, reply.until, reply.audience
        self._send(GaveReply(number, reply.head, inline, size if fd is not None else 0, labels, until, audience), fd)

    async def _watch(self, number: int, ending: Ending) -> None:
        try:
            await ending.wait()
            self._send(StreamEnded(number, ""))
        except BrokenBody as error:
            self._send(StreamEnded(number, str(error) or "broken"))

    # Fills.

    def _give_filling(self, number: int, answer: Filling) -> None:
        progress = answer.progress
        followed = self._followed.get(progress)
        if followed is None:
            self._numbered += 1
            followed = self._followed[progress] = _Followed(self._numbered, progress)
        followed.readers += 1
        self._reading[number] = (followed, progress)
        frame = GaveFilling(number, followed.number, answer.head, answer.size, followed.have, answer.labels)
        try:
            self._send(frame, answer.fd)
        except FrameError:
            self._leave(number)
            raise
        if followed.pump is None and number in self._reading:
            followed.pump = asyncio.get_running_loop().create_task(self._pump(followed))

    async def _pump(self, followed: _Followed) -> None:
        """Tell the edge how far a fill is, until it ends."""
        why, interrupted = "", False
        try:
            while (have := await followed.progress.beyond(followed.have)) > followed.have:
                followed.have = have
                self._send(Advanced(followed.number, have), latest=followed.number)
        except BrokenBody as error:
            why, interrupted = str(error) or "broken", isinstance(error, Interrupted)
        # From here on the number means nothing: who asks for the same body later gets another.
        if self._followed.get(followed.progress) is followed:
            del self._followed[followed.progress]
        self._send(FillEnded(followed.number, followed.have, why, interrupted))

    def _leave(self, number: int) -> None:
        followed, progress = self._reading.pop(number, (None, None))
        if followed is None or progress is None:
            return
        progress.leave()
        followed.readers -= 1
        if not followed.readers:
            if self._followed.get(progress) is followed:
                del self._followed[progress]
            if followed.pump is not None:
                followed.pump.cancel()

    # CONNECTs and certificates.

    async def _identify(self, frame: Identifying) -> None:
        found = await self._core.identify(frame.client, frame.proof)
        match found:
            case ProxyUser(name):
                self._send(Identified(frame.id, name))
            case Refuse(status, reason):
                self._send(Refused(frame.id, status, reason))

    async def _connect(self, frame: Connecting, authority: Authority) -> None:
        decision = await self._core.on_connect(authority, frame.client, frame.user)
        match decision:
            case Intercept():
                self._send(Intercepted(frame.id, decision))
            case Tunnel(allow, named, parent, connect, idle):
                networks = tuple(str(network) for network in allow)
                self._send(Tunnelled(frame.id, networks, named, parent, connect, idle))
            case Refuse(status, reason):
                self._send(Refused(frame.id, status, reason))
            case _:
                assert_never(decision)

    async def _through_parent(self, frame: Connecting, authority: Authority) -> None:
        found = await self._core.through_parent(authority, frame.client, frame.user)
        match found:
            case Refuse(status, reason):
                self._send(Refused(frame.id, status, reason))
            case int():
                self._send(Connected(frame.id), found)

    async def _leaf(self, frame: LeafWanted) -> None:
        try:
            leaf = await self._core.leaf(frame.name)
        except (ValueError, NotValidNow) as error:
            self._send(NoLeaf(frame.id, str(error), isinstance(error, NotValidNow)))
            return
        self._send(LeafGiven(frame.id, leaf))

    async def _sightings(self, frame: SightingsWanted) -> None:
        self._send(SightingsGiven(frame.id, await self._core.sightings(frame.client)))


def _authority(text: str) -> Authority:
    """What an edge says is parsed like anything else from outside."""
    try:
        return parse_authority(text)
    except ValueError as error:
        raise FrameError(str(error)) from error


def _close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)
