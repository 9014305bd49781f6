"""Challenges learned, and clients' own credentials on their way to where they belong."""

import asyncio
from dataclasses import replace

import pytest

from regproxy.model.account import Own
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.login import IdentityToken, Password
from regproxy.upstream.failure import Rejected, UpstreamFailed
from tests.upstream.stage import BEARER, HERE, Stage, World, play
from tests.upstream.standin import Recorder, Talk

ALICE = Own("a", Password("alice", "wonderland"))


def test_a_foreign_realm_never_hears_of_us() -> None:
    world = World()
    world.realm = ("WWW-Authenticate", 'Bearer realm="https://evil.test/token",service="registry.test"')

    async def story(stage: Stage) -> None:
        with pytest.raises(UpstreamFailed, match=r"evil\.test.*token-hosts") as caught:
            await stage.upstream.fetch(stage.ask(), "a/b", 100)
        assert caught.value.failure is FailureClass.CREDENTIAL
        with pytest.raises(UpstreamFailed, match=r"evil\.test"):
            await stage.upstream.verify(stage.block, HERE, "https", "a/b", ALICE)
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


def test_a_callers_login_goes_to_the_realm_with_the_registrys_service_each_time_it_is_verified() -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            await stage.upstream.verify(stage.block, HERE, "https", "a/b", ALICE)
        heard = stage.hosts["auth.test"].heard
        assert [one.target for one in heard] == ["/token?service=registry.test&scope=repository:a/b:pull"] * 2
        assert [one.get("authorization") for one in heard] == ["Basic YWxpY2U6d29uZGVybGFuZA=="] * 2
        await stage.upstream.fetch(stage.ask(), "a/b", 100, ALICE)
        assert len(heard) == 2, "the token that came with the verdict is used"
        assert stage.targets("registry.test") == ["/v2/", "/v2/a/b/blobs/x"]

    play(story)


@pytest.mark.parametrize(("status", "good"), [(200, True), (401, False), (403, False), (404, None), (500, None)])
def test_a_registry_of_passwords_is_asked_with_the_password_itself(status: int, good: bool | None) -> None:
    async def story(stage: Stage) -> None:
        stage.challenges.known[HERE] = Challenge("basic", "here")

        async def script(talk: Talk) -> None:
            await talk.answer(status)

        stage.hosts["registry.test"].script = script
        match good:
            case True:
                await stage.upstream.verify(stage.block, HERE, "https", "", ALICE)
            case False:
                with pytest.raises(Rejected, match=f"login was rejected .{status}.") as caught:
                    await stage.upstream.verify(stage.block, HERE, "https", "", ALICE)
                assert caught.value.status == status
            case None:
                with pytest.raises(UpstreamFailed, match=str(status)) as failed:
                    await stage.upstream.verify(stage.block, HERE, "https", "", ALICE)
                assert not isinstance(failed.value, Rejected)
        (heard,) = stage.hosts["registry.test"].heard
        assert heard.get("authorization") == "Basic YWxpY2U6d29uZGVybGFuZA=="
        with pytest.raises(Rejected, match="a user and a password only"):
            await stage.upstream.verify(stage.block, HERE, "https", "", Own("b", IdentityToken("t")))

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
