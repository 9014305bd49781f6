"""One exchange: its speed is the reader's, its end is certain, and it can be given up at any time."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from regproxy.model.event import UpstreamFinished
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import Limits
from tests.upstream.standin import (
    OK,
    TEN,
    Events,
    Recorder,
    StandIn,
    Talk,
    ask,
    registry,
    says,
    until,
)

MIB = 2**20
# Sooner than any limit ends what is under way; a busy machine has time.
SOON = 3.0


def test_a_body_of_120_mb_streams_at_the_readers_speed() -> None:
    """The sink refuses again and again; memory stays flat and every byte arrives in order."""
    chunk = bytes(range(256)) * 4096
    total = 120 * MIB

    async def script(talk: Talk) -> None:
        await talk.raw(OK + b"Content-Length: %d\r\n\r\n" % total)
        for _ in range(total // len(chunk)):
            await talk.raw(chunk)

    async def story() -> None:
        client = Client(Events())
        async with StandIn(script) as stand_in:
            sink = Refusing()
            transfer = client.start(ask(registry(("registry.test", stand_in), scheme="http")), sink)
            sink.resume = transfer.resume
            before = anonymous_memory()
            await transfer.finished()
            assert sink.seen == total
            assert sink.refusals > 50
            assert anonymous_memory() - before < 40 * MIB
            await client.close()

    class Refusing(Recorder):
        def __init__(self) -> None:
            super().__init__(0)
            self.seen = self.refusals = 0
            self.resume: Callable[[], None] = lambda: None

        def data(self, piece: bytes) -> bool:
            if self.seen // MIB > self.refusals:
                self.refusals += 1
                asyncio.get_running_loop().call_later(0.001, self.resume)
                return False
            offset = self.seen % len(chunk)
            assert piece == (chunk + chunk)[offset : offset + len(piece)]
            self.seen += len(piece)
            return True

    asyncio.run(story())


def anonymous_memory() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("where", ["head", "data"])
def test_what_a_sink_raises_ends_the_transfer(where: str) -> None:
    class Full(Recorder):
        def head(self, head: object) -> None:
            if where == "head":
                raise OSError(28, "disk full")

        def data(self, chunk: bytes) -> bool:
            raise OSError(28, "disk full")

    async def story() -> None:
        events = Events()
        client = Client(events)
        async with StandIn(says(TEN, b"1234567890")) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            transfer = client.start(ask(block), Full())
            with pytest.raises(OSError, match="disk full"):
                await transfer.finished()
            if where == "head":
                with pytest.raises(OSError, match="disk full"):
                    await transfer.head()
            else:
                assert (await transfer.head()).status == 200
            await client.close()
        (event,) = events
        assert isinstance(event, UpstreamFinished)
        assert event.failure == ""

    asyncio.run(story())


@pytest.mark.parametrize("state", ["stalled before the head", "stalled in the body", "paused by the sink", "queued"])
def test_a_cancelled_transfer_ends_soon_and_gives_its_handle_back(state: str) -> None:
    async def script(talk: Talk) -> None:
        if talk.heard.target == "/v2/again":
            await talk.answer(200, b"again")
        elif state in ("stalled before the head", "queued"):
            await talk.stall()
        elif state == "stalled in the body":
            await talk.raw(TEN + b"123")
            await talk.stall()
        else:
            await talk.raw(OK + b"Content-Length: %d\r\n\r\n" % (8 * MIB) + b"x" * (8 * MIB))

    async def story() -> None:
        events = Events()
        client = Client(events, limits=Limits(concurrent=1))
        async with StandIn(script) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            sink = Recorder()
            sink.hold = state == "paused by the sink"
            first = client.start(ask(block), sink)
            transfer = client.start(ask(block), sink) if state == "queued" else first
            if state in ("stalled before the head", "queued"):
                await until(lambda: stand_in.heard)
            else:
                await transfer.head()
                await until(lambda: sink.refused or sink.bytes)
            began = time.monotonic()
            transfer.cancel()
            with pytest.raises(UpstreamFailed, match=r"registry\.test:80: given up"):
                await transfer.finished()
            first.cancel()
            again = Recorder()
            await client.start(ask(block, target="/v2/again"), again).finished()
            assert time.monotonic() - began < SOON
            assert bytes(again.kept) == b"again"
            await client.close()
        assert len(events) == (3 if state == "queued" else 2)
        assert {event.failure for event in events if isinstance(event, UpstreamFinished)} == {""}

    asyncio.run(story())


def test_closing_the_client_ends_what_is_under_way() -> None:
    async def story() -> None:
        client = Client(Events())
        async with StandIn(says(then=Talk.stall)) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            transfers = [client.start(ask(block), Recorder()) for _ in range(5)]
            await until(lambda: len(stand_in.heard) == 5)
            began = time.monotonic()
            await client.close()
            assert time.monotonic() - began < SOON
            assert all(transfer.ended for transfer in transfers)
            with pytest.raises(UpstreamFailed):
                await client.start(ask(block), Recorder()).finished()

    asyncio.run(story())


def test_a_transfer_that_hangs_in_connect_is_given_up_as_soon() -> None:
    """The kernel drops what a full backlog does not take, so connect() goes unanswered."""

    async def story() -> None:
        client = Client(Events())
        with socket.socket() as deaf, contextlib.ExitStack() as full:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for _ in range(4):
                filler = full.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            stand_in = StandIn(says())
            stand_in.port = deaf.getsockname()[1]
            transfer = client.start(ask(registry(("registry.test", stand_in), scheme="http")), Recorder())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(transfer.head(), 0.2)
            began = time.monotonic()
            transfer.cancel()
            with pytest.raises(UpstreamFailed, match="given up"):
                await transfer.finished()
            assert time.monotonic() - began < SOON
            await client.close()

    asyncio.run(story())


def test_a_waiter_that_leaves_does_not_end_the_transfer() -> None:
    async def story() -> None:
        go = asyncio.Event()

        async def script(talk: Talk) -> None:
            await go.wait()
            await talk.answer(200, b"whole")

        client = Client(Events())
        async with StandIn(script) as stand_in:
            sink = Recorder()
            transfer = client.start(ask(registry(("registry.test", stand_in), scheme="http")), sink)
            waiter = asyncio.ensure_future(transfer.finished())
            await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.wait((waiter,))
            go.set()
            await transfer.finished()
            assert bytes(sink.kept) == b"whole"
            await client.close()

    asyncio.run(story())


def test_a_full_queue_refuses_at_once() -> None:
    async def story() -> None:
        client = Client(Events(), limits=Limits(concurrent=1, queued=1))
        async with StandIn(says(then=Talk.stall)) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            waiting = [client.start(ask(block), Recorder()) for _ in range(2)]
            with pytest.raises(UpstreamFailed, match="too many requests"):
                await client.start(ask(block), Recorder()).finished()
            assert not any(transfer.ended for transfer in waiting)
            await client.close()

    asyncio.run(story())
