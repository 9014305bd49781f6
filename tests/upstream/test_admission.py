"""What is sent and what is not, against a registry that limits us, fails or is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from regproxy.model.decision import FailureClass
from regproxy.model.event import UpstreamFinished
from regproxy.model.registry import ConnectTo, Registry
from regproxy.upstream.admission import Admission
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.limited import Limited
from regproxy.upstream.request import Limits
from regproxy.upstream.retries import RETRIES
from tests.lab.answers import Answer, abused, pull_limited
from tests.lab.processes import free_port
from tests.upstream.standin import Events, Recorder, Script, StandIn, Talk, admission, ask, registry, says, until

BLOB, MANIFEST = "/v2/a/b/blobs/c", "/v2/a/b/manifests/d"
Story = Callable[[Admission, StandIn, Registry, Events], Awaitable[None]]


def play(script: Script, story: Story, limits: Limits | None = None) -> None:
    async def run() -> None:
        events = Events()
        client = Client(events, limits=limits)
        async with StandIn(script) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            try:
                await story(admission(client, report=events), stand_in, block, events)
            finally:
                await client.close()

    asyncio.run(run())


def answering(*answers: Answer) -> Script:
    """These in turn, the last one from then on."""
    left = list(answers)

    async def script(talk: Talk) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        assert isinstance(answer.body, bytes)
        await talk.answer(answer.status, answer.body, *answer.fields)

    return script


def test_a_429_never_reaches_the_sink_and_nothing_more_is_sent() -> None:
    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        sink = Recorder()
        for _ in range(3):
            with pytest.raises(Limited, match=r"the pull limit of registry\.test:80"):
                await way.open(ask(block, "GET", MANIFEST), sink)
        assert (sink.heads, len(stand_in.heard)) == ([], 1)

    play(answering(pull_limited()), story)


def test_blobs_go_on_while_pulls_are_held() -> None:
    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        with pytest.raises(Limited):
            await way.open(ask(block, "GET", MANIFEST), Recorder())
        sink = Recorder()
        await (await way.open(ask(block, "GET", BLOB, purpose="blob"), sink)).finished()
        assert bytes(sink.kept) == b"blob"

    play(answering(pull_limited(), Answer(200, body=b"blob")), story)


def test_a_clients_own_429_passes_unchanged_and_stops_nobody() -> None:
    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        for _ in range(2):
            sink = Recorder()
            await (await way.open(ask(block, "GET", MANIFEST), sink, None)).finished()
            assert (sink.heads[0].status, b"429 Too Many Requests" in sink.kept) == (429, True)
        assert len(stand_in.heard) == 2

    play(answering(abused()), story)


@pytest.mark.parametrize("body", ["endless", "silent"])
def test_the_body_of_a_429_is_read_within_bounds(body: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.raw(b"HTTP/1.1 429 Said\r\nContent-Length: 99999999\r\nRetry-After: 30\r\n\r\n")
        while body == "endless":
            await talk.raw(b"x" * 65536)
        await talk.stall()

    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        with pytest.raises(Limited, match="limits the requests") as caught:
            await asyncio.wait_for(way.open(ask(block, "GET", MANIFEST), Recorder()), 10)
        assert 20 < caught.value.wait <= 30

    play(script, story)


def test_a_registry_that_is_not_there_is_tried_again_and_then_left_alone() -> None:
    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        nobody = replace(stand_in.address, port=free_port())
        gone = replace(block, connect_to=(ConnectTo(ask(block).authority, nobody),))
        for _ in range(8):
            with pytest.raises(UpstreamFailed, match=r"registry\.test:80: connection refused") as caught:
                await way.open(ask(gone, "GET", BLOB), Recorder())
        assert caught.value.failure is FailureClass.CONNECT
        assert "asked again at" in caught.value.detail
        tried = [event for event in events if isinstance(event, UpstreamFinished)]
        # Five requests until the breaker opens; a budget of three retries, of which the first request takes two.
        assert len(tried) == 5 + 3
        assert RETRIES == 2

    play(says(), story)


def test_what_was_sent_is_never_sent_again() -> None:
    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        with pytest.raises(UpstreamFailed) as caught:
            await way.open(ask(block, "GET", BLOB), Recorder())
        assert caught.value.failure is FailureClass.RESET
        assert len(stand_in.heard) == 1

    play(says(), story)


def test_a_request_that_its_client_gave_up_leaves_the_probe_to_the_next_one() -> None:
    held = asyncio.Event()

    async def script(talk: Talk) -> None:
        if len(talk.heard.target) > len(MANIFEST):
            held.set()
            await talk.stall()
        await talk.answer(*((429, b"", ("Retry-After", "1")) if not held.is_set() else (200, b"good")))

    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        with pytest.raises(Limited):
            await way.open(ask(block, "GET", MANIFEST), Recorder())
        await asyncio.sleep(1)
        probe = asyncio.ensure_future(way.open(ask(block, "GET", f"{MANIFEST}/slow"), Recorder()))
        await until(held.is_set)
        with pytest.raises(Limited):
            await way.open(ask(block, "GET", MANIFEST), Recorder())
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        sink = Recorder()
        await (await way.open(ask(block, "GET", MANIFEST), sink)).finished()
        assert bytes(sink.kept) == b"good"

    play(script, story)


def test_a_429_whose_reader_left_begins_its_hold_all_the_same() -> None:
    script = says(b"HTTP/1.1 429 Said\r\nContent-Length: 9\r\n\r\n", then=Talk.stall)

    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        reading = asyncio.ensure_future(way.open(ask(block, "GET", MANIFEST), Recorder()))
        await until(lambda: any(transfer._answered.is_set() for transfer in way._client._transfers))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        with pytest.raises(Limited):
            await way.open(ask(block, "GET", MANIFEST), Recorder())
        assert len(stand_in.heard) == 1

    play(script, story)


def test_pulls_wait_for_what_is_left_and_are_refused_together() -> None:
    left = 5

    async def script(talk: Talk) -> None:
        nonlocal left
        refused = pull_limited()
        assert isinstance(refused.body, bytes)
        if talk.heard.method == "GET":
            if not left:
                return await talk.answer(429, refused.body, *refused.fields)
            left -= 1
        await talk.answer(200, b"", refused.fields[1], ("ratelimit-remaining", str(left)))
        return None

    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        await way.open(ask(block, "HEAD", MANIFEST), Recorder())
        asked = (way.open(ask(block, "GET", f"{MANIFEST}{at}"), Recorder()) for at in range(40))
        answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)
        assert [type(answer) is Limited for answer in answers].count(True) == 35
        assert len([heard for heard in stand_in.heard if heard.method == "GET"]) == 6

    play(script, story)


class Turnstile:
    """Lets each request wait until it is let go, and counts how many are inside."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.open = asyncio.Event()

    async def __call__(self, talk: Talk) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.open.wait()
        await asyncio.sleep(0.01)
        self.inside -= 1
        await talk.answer(200, b"x")


def test_a_block_is_asked_for_so_many_things_at_once_and_all_get_their_turn() -> None:
    turnstile = Turnstile()

    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        block = replace(block, concurrent=3)
        kinds = [(BLOB, "blob"), (MANIFEST, "manifest")] * 10
        asked = [
            asyncio.ensure_future(way.open(ask(block, "GET", target, purpose=purpose), Recorder()))
            for target, purpose in kinds
        ]
        await until(lambda: turnstile.inside == 3)
        asked[-1].cancel()
        turnstile.open.set()
        transfers = await asyncio.gather(*asked[:-1])
        await asyncio.gather(*(transfer.finished() for transfer in transfers))
        assert (turnstile.most, len(stand_in.heard)) == (3, 19)

    play(turnstile, story)


@pytest.mark.parametrize(
    ("limits", "failure", "sentence"),
    [
        (Limits(first_byte=0.3), FailureClass.TIMEOUT, r"no turn within 0\.3 s: the policy's limit on concurrent"),
        (Limits(queued=0), FailureClass.CONNECT, "too many requests are under way"),
    ],
)
def test_who_waits_for_a_turn_does_not_wait_for_ever(limits: Limits, failure: FailureClass, sentence: str) -> None:
    async def story(way: Admission, stand_in: StandIn, block: Registry, events: Events) -> None:
        block = replace(block, concurrent=1)
        first = await way.open(ask(block, "GET", BLOB), Recorder())
        with pytest.raises(UpstreamFailed, match=sentence) as caught:
            await way.open(ask(block, "GET", MANIFEST), Recorder())
        assert (caught.value.failure, caught.value.ours) == (failure, True)
        first.cancel()
        assert len(stand_in.heard) == 1

    play(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", then=Talk.stall), story, limits)
