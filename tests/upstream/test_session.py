"""One logical request to a registry: the token, the 401 that teaches the challenge, the final answer."""

import asyncio

import pytest

from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.event import UpstreamFinished
from regproxy.upstream.failure import UpstreamFailed
from tests.upstream.stage import BEARER, CHALLENGE, HERE, Stage, World, play
from tests.upstream.standin import Recorder, Talk, until


def test_a_401_teaches_the_challenge_and_is_tried_again_with_a_token() -> None:
    async def story(stage: Stage) -> None:
        sink = Recorder()
        opened = await stage.upstream.open(stage.ask(), "a/b", sink)
        assert (opened.head.status, opened.request.authority) == (200, HERE)
        await opened.finished()
        assert [head.status for head in sink.heads] == [200]
        assert bytes(sink.kept) == b"the bytes"
        first, second = stage.hosts["registry.test"].heard
        assert first.get("authorization") is None
        assert second.get("authorization") == "Bearer token-1"
        assert second.get("range") == "bytes=5-"
        assert first.connection == second.connection
        assert stage.targets("auth.test") == ["/token?service=registry.test&scope=repository:a/b:pull"]
        assert stage.challenges.known == {HERE: BEARER}

    play(story)


def test_a_known_challenge_costs_no_401() -> None:
    async def story(stage: Stage) -> None:
        stage.challenges.known[HERE] = BEARER
        for _ in range(3):
            head, body, _ = await stage.upstream.fetch(stage.ask(), "a/b", 100)
            assert (head.status, head.get("server"), body) == (200, "registry", b"the bytes")
        assert len(stage.hosts["registry.test"].heard) == 3
        assert stage.world.tokens_issued == 1

    play(story)


def test_a_hundred_misses_at_once_ask_for_one_token() -> None:
    async def story(stage: Stage) -> None:
        answers = await asyncio.gather(*(stage.upstream.fetch(stage.ask(), "a/b", 100) for _ in range(100)))
        assert {(head.status, body) for head, body, _ in answers} == {(200, b"the bytes")}
        assert stage.world.tokens_issued == 1

    play(story)


def test_an_expired_token_is_replaced_once() -> None:
    async def story(stage: Stage) -> None:
        await stage.upstream.fetch(stage.ask(), "a/b", 100)
        stage.world.valid.clear()
        head, _, _ = await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert head.status == 200
        assert [heard.get("authorization") for heard in stage.hosts["registry.test"].heard] == [
            None,
            "Bearer token-1",
            "Bearer token-1",
            "Bearer token-2",
        ]

    play(story)


def test_a_401_for_ever_is_the_answer_after_one_more_try() -> None:
    world = World()

    async def never(talk: Talk) -> None:
        await talk.answer(401, b"no", CHALLENGE)

    world.after_token = never

    async def story(stage: Stage) -> None:
        sink = Recorder()
        opened = await stage.upstream.open(stage.ask(), "a/b", sink)
        await opened.finished()
        assert ([head.status for head in sink.heads], bytes(sink.kept)) == ([401], b"no")
        assert len(stage.hosts["registry.test"].heard) == 2
        await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert len(stage.hosts["registry.test"].heard) == 4

    play(story, world)


def test_a_token_service_that_refuses_strangers_leaves_the_registrys_own_401() -> None:
    world = World()
    world.token_status = 401

    async def story(stage: Stage) -> None:
        for _ in range(2):
            sink = Recorder()
            opened = await stage.upstream.open(stage.ask(), "a/b", sink)
            await opened.finished()
            assert ([head.status for head in sink.heads], bytes(sink.kept)) == ([401], b'{"errors":[]}')
        assert stage.world.tokens_issued == 1
        assert len(stage.hosts["registry.test"].heard) == 3

    play(story, world)


def test_a_basic_challenge_is_final_and_remembered() -> None:
    world = World()
    world.realm = ("WWW-Authenticate", 'Basic realm="here"')

    async def story(stage: Stage) -> None:
        head, body, _ = await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert (head.status, body) == (401, b'{"errors":[]}')
        assert stage.challenges.known == {HERE: Challenge("basic", "here")}
        assert len(stage.hosts["registry.test"].heard) == 1

    play(story, world)


def test_what_the_caller_calls_credentials_never_leaves_with_an_anonymous_request() -> None:
    async def story(stage: Stage) -> None:
        fields = (("Authorization", "Basic canary"), ("Cookie", "canary"), ("Accept", "a/b"))
        await stage.upstream.fetch(stage.ask(fields=fields), "a/b", 100)
        assert "canary" not in repr([stand_in.heard for stand_in in stage.hosts.values()])

    play(story)


def test_a_huge_or_endless_body_on_the_way_is_cut_short() -> None:
    async def story(stage: Stage) -> None:
        async def endless(talk: Talk) -> None:
            if talk.heard.get("authorization"):
                await talk.answer(200, b"the bytes")
                return
            head = f"HTTP/1.1 401 No\r\n{CHALLENGE[0]}: {CHALLENGE[1]}\r\nContent-Length: 100000000\r\n\r\n"
            await talk.raw(head.encode())
            for _ in range(100):
                await talk.raw(b"x" * 1_000_000)

        stage.hosts["registry.test"].script = endless
        _, body, _ = await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert body == b"the bytes"
        refused = stage.events[0]
        assert isinstance(refused, UpstreamFinished)
        assert (refused.status, refused.bytes <= 65536) == (401, True)

    play(story)


def test_a_body_larger_than_the_limit_is_a_value_error() -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.upstream.fetch(stage.ask(), "a/b", 9))[1] == b"the bytes"
        with pytest.raises(ValueError, match="larger than 8 bytes"):
            await stage.upstream.fetch(stage.ask(), "a/b", 8)

    play(story)


def test_a_caller_that_is_cancelled_leaves_no_transfer_behind() -> None:
    async def story(stage: Stage) -> None:
        started = asyncio.Event()

        async def silent(talk: Talk) -> None:
            started.set()
            await talk.stall()

        stage.hosts["registry.test"].script = silent
        task = asyncio.ensure_future(stage.upstream.open(stage.ask(), "a/b", Recorder()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: stage.events, seconds=1.5)

    play(story)


def test_a_failure_at_the_token_service_names_the_token_service() -> None:
    async def story(stage: Stage) -> None:
        await stage.hosts["auth.test"].__aexit__()
        with pytest.raises(UpstreamFailed, match=r"^auth\.test: connection refused") as caught:
            await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert caught.value.failure is FailureClass.CONNECT

    play(story)


@pytest.mark.parametrize("realm", ["https://evil.test/token", "https://auth.test:1/token"])
def test_a_token_service_that_moved_is_learned_again(realm: str) -> None:
    async def story(stage: Stage) -> None:
        stage.challenges.known[HERE] = Challenge("bearer", realm, "registry.test")
        head, _, _ = await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert head.status == 200
        assert stage.challenges.known == {HERE: BEARER}
        assert stage.hosts["evil.test"].heard == []

    play(story)


def test_a_registry_that_asks_for_no_token_any_more_needs_no_token_service() -> None:
    async def story(stage: Stage) -> None:
        stage.challenges.known[HERE] = BEARER
        await stage.hosts["auth.test"].__aexit__()
        with pytest.raises(UpstreamFailed, match=r"^auth\.test: connection refused"):
            await stage.upstream.fetch(stage.ask(), "a/b", 100)
        stage.hosts["registry.test"].script = stage.world.bytes
        assert (await stage.upstream.fetch(stage.ask(), "a/b", 100))[1] == b"the bytes"

    play(story)
