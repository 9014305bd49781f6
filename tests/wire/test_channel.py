"""The channel: order, bounds, and what is no frame."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from msgspec import structs

from regproxy.wire import asked
from regproxy.wire.channel import MAX_QUEUED, Channel, FrameError
from regproxy.wire.frames import (
    VERSION,
    Advanced,
    Asked,
    Connecting,
    Forgotten,
    Frame,
    FromCore,
    FromEdge,
    Gone,
    Happened,
    Hello,
    LeafWanted,
)
from regproxy.wire.rendezvous import dial, listen
from regproxy.wire.serving import EdgeServer
from tests.wire.joined import QUAY, WELCOME, Script, descriptors, until


class End:
    """One end of a channel and what came out of it."""

    def __init__(self, connection: socket.socket) -> None:
        self.frames: list[Frame] = []
        self.fds: list[int] = []
        self.ended = 0
        self.channel: Channel[FromCore] = Channel(connection, FromCore, self._took, self._closed)

    def _took(self, frame: FromCore, fd: int | None) -> None:
        self.frames.append(frame)
        if fd is not None:
            self.fds.append(fd)

    def _closed(self) -> None:
        self.ended += 1


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_frames_keep_their_order_and_of_progress_only_the_newest_waits() -> None:
    async def story() -> None:
        left, right = pair()
        ours = End(left)
        filler = Forgotten("quay.io:443", "x" * 60_000)
        sent = 0
        while not ours.channel._queue:
            ours.channel.send(filler)
            sent += 1
        for have in range(1000):
            ours.channel.send(Advanced(7, have), latest=7)
        ours.channel.send(Forgotten("", ""))
        assert len(ours.channel._queue) <= 3
        theirs = End(right)
        await until(lambda: len(theirs.frames) == sent + 2)
        assert theirs.frames[-2:] == [Advanced(7, 999), Forgotten("", "")]
        await ours.channel.emptied(1)
        ours.channel.close()
        await until(lambda: theirs.ended == 1)
        assert ours.ended == 1

    told(story)


def test_a_full_queue_closes_the_channel_and_every_waiting_descriptor() -> None:
    async def story() -> None:
        left, right = pair()
        ours = End(left)
        before = descriptors()
        for _ in range(MAX_QUEUED * 30):
            ours.channel.send(Forgotten("quay.io:443", "x" * 30_000), os.open("/dev/null", os.O_RDONLY))
            if not ours.channel.open:
                break
        assert ours.ended == 1
        assert not ours.channel.open
        ours.channel.send(Advanced(1, 1), os.open("/dev/null", os.O_RDONLY))
        right.close()
        assert descriptors() <= before

    told(story)


def test_a_frame_that_is_too_large_is_the_senders_mistake() -> None:
    async def story() -> None:
        left, right = pair()
        with right:
            ours = End(left)
            with pytest.raises(FrameError, match="larger than"):
                ours.channel.send(Forgotten("", "x" * 300_000))
            assert ours.channel.open
            ours.channel.close()

    told(story)


def test_two_descriptors_at_once_close_the_channel_and_neither_stays_open() -> None:
    async def story() -> None:
        left, right = pair()
        before = descriptors()
        theirs = End(right)
        socket.send_fds(left, [msgspec.msgpack.encode(Advanced(1, 1))], [left.fileno()] * 2)
        await until(lambda: theirs.ended == 1)
        assert theirs.frames == []
        assert descriptors() == before - 1
        left.close()

    told(story)


HELLO = Hello(VERSION)
ASK = Asked(1, str(QUAY), "https", "GET", "/", (), "c", body=False, size=None, user="")


def _spanned(trace: str, began: float) -> bytes:
    span = {"trace": trace, "id": "b" * 16, "parent": "", "began": began}
    return msgspec.msgpack.encode(["Asked", 1, str(QUAY), "https", "GET", "/", (), "c", False, None, "", span])


def _encoded(*frames: Frame) -> list[bytes]:
    return [msgspec.msgpack.encode(frame) for frame in frames]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (_encoded(Hello(VERSION + 1)), "another version"),
        (_encoded(ASK), "no hello"),
        (_encoded(HELLO, ASK, ASK), "a number twice"),
        (_encoded(HELLO, Asked(1, "quay.io", "https", "GET", "/", (), "c", body=False, size=None, user="")), "no port"),
        (_encoded(HELLO, Connecting(1, "QUAY..IO:443", "c", "")), "no name"),
        (_encoded(HELLO, Asked(1, str(QUAY), "https", "GET", "/", (), "c", body=True, size=None, user="")), "no body"),
        ([*_encoded(HELLO), _spanned("x" * 32, 1.0)], "no ids of a trace"),
        ([*_encoded(HELLO), _spanned("a" * 32, 1e300)], "no time"),
        ([*_encoded(HELLO), b"\xc1"], "no MessagePack"),
        ([*_encoded(HELLO), msgspec.msgpack.encode(["Gone", "one"])], "the wrong type"),
        ([*_encoded(HELLO), msgspec.msgpack.encode(["Welcome", 1])], "the core's frame"),
        ([*_encoded(HELLO), msgspec.msgpack.encode(["Happened", [], [{"decision": "invent"}], [], []])], "a label"),
        ([*_encoded(HELLO), msgspec.msgpack.encode(["Gone", 1]) + b"x"], "more behind it"),
    ],
)
def test_an_edge_that_talks_nonsense_is_hung_up_on(sent: list[bytes], why: str) -> None:
    async def story() -> None:
        left, right, server = _served()
        for data in sent:
            left.send(data)
        await _hung_up(left)
        await server.drain(0)
        right.close()

    told(story)


def test_an_edge_that_asks_too_much_at_once_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MAX_ASKS", 2)

    async def story() -> None:
        left, right, server = _served()
        for frame in (HELLO, ASK, LeafWanted(2, "quay.io"), structs.replace(ASK, id=3), structs.replace(ASK, id=4)):
            left.send(msgspec.msgpack.encode(frame))
        await _hung_up(left)
        await server.drain(0)
        right.close()

    told(story)


def _served() -> tuple[socket.socket, socket.socket, EdgeServer]:
    """A raw edge, the listening socket, and the server."""
    listening, file = listen()
    core = Script()

    async def slowly(_: object) -> Any:
        await asyncio.sleep(60)

    core.script = slowly
    server = EdgeServer(core, listening, WELCOME)
    server.start()
    raw = dial(file)
    os.close(file)
    return raw, listening, server


async def _hung_up(raw: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            while await loop.sock_recv(raw, 1 << 20):
                pass
    raw.close()


def test_random_bytes_never_do_more_than_end_a_channel(seed: int, soak: float) -> None:
    chance = random.Random(seed)
    frames: list[Frame] = [HELLO, ASK, Gone(1), LeafWanted(2, "quay.io"), Happened()]

    async def story() -> None:
        for _ in range(round(2000 * soak)):
            left, _, server = _served()
            left.send(_encoded(HELLO)[0])
            data = bytearray(_encoded(chance.choice(frames))[0])
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            left.send(bytes(data))
            left.send(b"\xc1")
            await _hung_up(left)
            await server.drain(0)

    told(story)


def test_types_of_frames_are_decoded_by_their_tags() -> None:
    decoder = msgspec.msgpack.Decoder(FromEdge)
    for frame in (HELLO, ASK, Gone(3), LeafWanted(2, "x")):
        assert decoder.decode(_encoded(frame)[0]) == frame
