"""Request bodies that come piece by piece, at the client's speed."""

import asyncio
import time
from collections.abc import Callable

import pytest

from regproxy.model.decision import FailureClass
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import Limits
from tests.upstream.standin import (
    TEN,
    Events,
    Recorder,
    StandIn,
    Talk,
    ask,
    registry,
    says,
)

# Sooner than any other limit ends it; a busy machine has time.
SOON = 10


class Trickle:
    """A request body that has nothing to give at every fiftieth ask."""

    def __init__(self, total: int, *, known: bool) -> None:
        self.size = total if known else None
        self.left = total
        self.asked = self.silences = 0
        self.resume: Callable[[], None] = lambda: None

    def attach(self, resume: Callable[[], None]) -> None:
        self.resume = resume

    def read(self, limit: int) -> bytes | None:
        self.asked += 1
        if self.asked % 50 == 0:
            self.silences += 1
            asyncio.get_running_loop().call_later(0.002, lambda: self.resume())
            return None
        size = min(limit, self.left)
        self.left -= size
        return b"u" * size


@pytest.mark.parametrize("known", [True, False], ids=["with a length", "chunked"])
def test_a_body_of_20_mb_streams_up_from_its_source(known: bool) -> None:
    async def script(talk: Talk) -> None:
        await talk.answer(201, b"", ("X-Length", talk.heard.get("content-length") or "none"))

    async def story() -> None:
        client = Client(Events())
        async with StandIn(script) as stand_in:
            source = Trickle(20_000_000, known=known)
            sink = Recorder()
            request = ask(registry(("registry.test", stand_in), scheme="http"), "POST", purpose="other", body=source)
            transfer = client.start(request, sink)
            await transfer.finished()
            await client.close()
        assert sink.heads[0].get("x-length") == ("20000000" if known else "none")
        assert source.silences > 0
        assert stand_in.heard[0].body == b"u" * 20_000_000

    asyncio.run(story())


def test_a_body_that_can_be_sent_only_once_gets_a_connection_of_its_own() -> None:
    async def script(talk: Talk) -> None:
        await talk.answer(200)

    async def story() -> None:
        client = Client(Events())
        async with StandIn(script) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            for body in (None, b"again", Trickle(10, known=True)):
                await client.start(ask(block, "PUT", body=body), Recorder()).finished()
            assert [heard.connection for heard in stand_in.heard] == [1, 1, 2]
            await client.close()

    asyncio.run(story())


def test_the_first_byte_has_a_time_limit_of_its_own_that_begins_when_the_request_is_sent() -> None:
    """A slow body does not count; an upstream that then says nothing does."""

    class Slow(Trickle):
        def read(self, limit: int) -> bytes | None:
            if self.asked == 0:
                self.asked = 1
                asyncio.get_running_loop().call_later(0.6, lambda: self.resume())
                return None
            self.left = 0
            return b"late" if self.asked == 1 else b""

    async def story() -> None:
        client = Client(Events(), limits=Limits(first_byte=0.3))
        async with StandIn(says(then=Talk.stall)) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            source = Slow(4, known=True)
            for body, least in ((None, 0.3), (source, 0.9)):
                began = time.monotonic()
                transfer = client.start(ask(block, "PUT" if body else "GET", body=body), Recorder())
                with pytest.raises(UpstreamFailed, match=r"no answer within 0\.3 s") as caught:
                    await transfer.finished()
                assert caught.value.failure is FailureClass.TIMEOUT
                assert least <= time.monotonic() - began < least + SOON
            assert stand_in.heard[1].body == b"late"
            await client.close()

    asyncio.run(story())


def test_what_a_source_raises_ends_the_transfer() -> None:
    class Broken:
        size = 10

        def attach(self, resume: Callable[[], None]) -> None:
            pass

        def read(self, limit: int) -> bytes | None:
            raise ConnectionResetError("the client left")

    async def story() -> None:
        client = Client(Events())
        async with StandIn(says(TEN)) as stand_in:
            request = ask(registry(("registry.test", stand_in), scheme="http"), "PUT", body=Broken())
            with pytest.raises(ConnectionResetError, match="the client left"):
                await client.start(request, Recorder()).finished()
            await client.close()

    asyncio.run(story())


def test_an_upload_may_be_silent_for_longer_than_a_download_and_not_for_ever() -> None:
    class Silent(Trickle):
        def read(self, limit: int) -> bytes | None:
            return None

    async def story() -> None:
        client = Client(Events(), limits=Limits(first_byte=0.3, stall=1, upload=2))
        async with StandIn(says(TEN)) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            for purpose, least in (("other", 1), ("upload", 2)):
                began = time.monotonic()
                request = ask(block, "PATCH", purpose=purpose, body=Silent(10, known=True))
                with pytest.raises(UpstreamFailed) as caught:
                    await client.start(request, Recorder()).finished()
                assert caught.value.failure is FailureClass.TIMEOUT
                assert least <= time.monotonic() - began < least + SOON
            await client.close()

    asyncio.run(story())
