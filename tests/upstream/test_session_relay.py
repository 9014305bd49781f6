"""Challenges learned, and clients' own credentials on their way to where they belong."""

import asyncio
import json
from dataclasses import replace

import pytest

from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.upstream.failure import UpstreamFailed
from tests.upstream.stage import BEARER, HERE, Stage, World, play
from tests.upstream.standin import Recorder, Talk


def test_a_foreign_realm_never_hears_of_us() -> None:
    world = World()
    world.realm = ("WWW-Authenticate", 'Bearer realm="https://evil.test/token",service="registry.test"')

    async def story(stage: Stage) -> None:
        with pytest.raises(UpstreamFailed, match=r"evil\.test.*token-hosts") as caught:
            await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert caught.value.failure is FailureClass.CREDENTIAL
        with pytest.raises(UpstreamFailed, match=r"evil\.test"):
            await stage.upstream.relay_token(
                stage.block, HERE, "https", fields=(("Authorization", "Basic canary"),), query="scope=x"
            )
        assert stage.hosts["evil.test"].connections == 0

    play(story, world)


def test_a_challenge_is_learned_once_and_remembered() -> None:
    async def story(stage: Stage) -> None:
        asked = [stage.upstream.challenge(stage.block, HERE, "https") for _ in range(20)]
        assert set(await asyncio.gather(*asked)) == {BEARER}
        assert await stage.upstream.challenge(stage.block, HERE, "https") == BEARER
        assert stage.targets("registry.test") == ["/v2/"]

    play(story)


@pytest.mark.parametrize(("status", "scheme"), [(200, "none"), (404, "none"), (429, None), (503, None)])
def test_a_registry_that_asks_for_nothing_is_remembered_so_and_a_sick_one_is_not(
    status: int, scheme: str | None
) -> None:
    async def story(stage: Stage) -> None:
        async def script(talk: Talk) -> None:
            await talk.answer(status)

        stage.hosts["registry.test"].script = script
        if scheme is None:
            with pytest.raises(UpstreamFailed, match=str(status)):
                await stage.upstream.challenge(stage.block, HERE, "https")
            assert stage.challenges.known == {}
        else:
            assert await stage.upstream.challenge(stage.block, HERE, "https") == Challenge(scheme)
            assert stage.challenges.known == {HERE: Challenge(scheme)}

    play(story)


def test_a_clients_own_login_goes_to_the_realm_with_the_registrys_service() -> None:
    async def story(stage: Stage) -> None:
        fields = (("Authorization", "Basic bWU6cHc="), ("Cookie", "no"), ("Host", "regproxy"))
        head, body = await stage.upstream.relay_token(
            stage.block,
            HERE,
            "https",
            fields=fields,
            query="service=regproxy&scope=repository%3Aa%2Fb%3Apull&account=me",
        )
        assert (head.status, json.loads(body)) == (200, {"token": "token-1"})
        (heard,) = stage.hosts["auth.test"].heard
        assert heard.target == "/token?scope=repository%3Aa%2Fb%3Apull&account=me&service=registry.test"
        assert (heard.get("authorization"), heard.get("cookie")) == ("Basic bWU6cHc=", None)
        await stage.upstream.relay_token(
            stage.block,
            HERE,
            "https",
            fields=(),
            form=b"grant_type=password&service=regproxy&username=me&password=p%26w",
        )
        posted = stage.hosts["auth.test"].heard[1]
        assert (posted.method, posted.target) == ("POST", "/token")
        assert posted.body == b"grant_type=password&username=me&password=p%26w&service=registry.test"
        assert posted.get("content-type") == "application/x-www-form-urlencoded"
        assert stage.targets("registry.test") == ["/v2/"]

    play(story)


def test_a_registry_without_a_token_service_says_so() -> None:
    async def story(stage: Stage) -> None:
        stage.challenges.known[HERE] = Challenge("basic", "here")
        with pytest.raises(ValueError, match=r"registry\.test has no token service"):
            await stage.upstream.relay_token(stage.block, HERE, "https", fields=())

    play(story)


def test_a_relay_carries_credentials_to_the_registry_and_no_further() -> None:
    world = World()
    world.valid.add("canary")
    world.redirecting(307, "https://cdn.test/cdn/x")

    async def story(stage: Stage) -> None:
        asked = replace(stage.ask(), fields=(("Authorization", "Bearer canary"), ("Accept", "a/b")))
        sink = Recorder()
        opened = await stage.upstream.relay(asked, sink)
        await opened.finished()
        assert (opened.head.status, bytes(sink.kept)) == (307, b"moved")
        assert stage.hosts["registry.test"].heard[0].get("authorization") == "Bearer canary"
        followed = Recorder()
        opened = await stage.upstream.relay(asked, followed, follows=True)
        await opened.finished()
        assert (opened.head.status, bytes(followed.kept)) == (200, b"the bytes")
        assert "canary" not in repr(stage.hosts["cdn.test"].heard)
        wrong = replace(asked, fields=(("Authorization", "Bearer wrong"),))
        assert (await stage.upstream.relay(wrong, Recorder(), follows=True)).head.status == 401
        assert stage.world.tokens_issued == 0

    play(story, world)
