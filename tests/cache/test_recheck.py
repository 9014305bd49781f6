"""What was open to strangers, or to those who are lent a credential, is asked about again after `recheck`."""

import asyncio
from pathlib import Path

import pytest

from regproxy.model.answer import Audience, Reply, Stored
from regproxy.model.event import Outcome
from tests.cache.private import LAYER, OPEN, PRIVATE, PUBLIC, TIERS, Stage, on_stage
from tests.lab.answers import Answer
from tests.lab.images import sha256

HOUR = 3600.0
TAG, DIGEST, LIST = (f"/v2/{PUBLIC}/{path}" for path in ("manifests/1.0", f"manifests/{sha256(OPEN)}", "tags/list"))
BLOB = f"/v2/{PUBLIC}/blobs/{sha256(LAYER)}"
ASKED_AS_SUCH = f"/v2/{PUBLIC}/tags/list"


async def warmed(stage: Stage) -> None:
    """All of the public repository is stored, and nobody has asked for anything yet."""
    stage.vault.layer(PUBLIC, LAYER)
    for path in (TAG, DIGEST, BLOB, LIST):
        assert (await stage.get(None, path))[0].head.status == 200
    while stage.world.core._engines.tasks:
        await asyncio.sleep(0.001)
    stage.vault.forget()
    stage.world.events.clear()


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("path", [TAG, DIGEST, BLOB, LIST])
def test_a_repository_that_turned_private_is_closed_to_strangers_after_recheck(
    path: str, hides: bool, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.world.now += HOUR - 1
        answer, _ = await stage.get(None, path)
        assert isinstance(answer, Stored | Reply)
        assert (answer.labels.outcome, answer.audience) == (Outcome.HIT, Audience.EVERYONE)
        assert answer.until == stage.world.now + 1, "nor does an edge repeat it any longer"
        assert stage.vault.forget() == []
        stage.world.now += 1
        for login in (None, stage.bob):
            for method in ("GET", "HEAD"):
                closed, body = await stage.get(login, path, method)
                assert closed.head.status == (404 if hides else 401)
                assert not set(body.split()) & set(OPEN.split() + LAYER.split() + [b"1.0"])
        assert (await stage.get(stage.alice, path))[0].head.status == 200
        for other in (TAG, DIGEST, BLOB, LIST):
            assert (await stage.get(None, other))[0].head.status == 401, "a login is what is missing, that is known now"

    on_stage(story, tmp_path, hides=hides)


def test_a_repository_that_stays_public_costs_one_question_in_recheck_whatever_is_asked_for(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        for _ in range(3):
            stage.world.now += HOUR
            answers = await asyncio.gather(*[stage.get(None, path) for path in (DIGEST, BLOB, BLOB, DIGEST) * 5])
            assert {answer.labels.outcome for answer, _ in answers} == {Outcome.HIT}
            assert stage.vault.forget() == [("?", "GET", "/token"), ("?", "HEAD", DIGEST)]
        answer, _ = await stage.get(None, BLOB)
        assert isinstance(answer, Stored)
        assert answer.until == stage.world.now + HOUR

    on_stage(story, tmp_path)


def test_a_tag_that_is_asked_about_anyway_is_no_second_question(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        stage.world.now += 2 * HOUR
        assert (await stage.get(None, TAG))[0].labels.outcome is Outcome.REVALIDATED
        assert (await stage.get(None, BLOB))[0].labels.outcome is Outcome.HIT
        assert [asked for asked in stage.vault.forget() if asked[2] != "/token"] == [("?", "HEAD", TAG)]

    on_stage(story, tmp_path)


@pytest.mark.parametrize("trouble", ["down", "limited", "broken"])
@pytest.mark.parametrize("known", [False, True])
def test_a_registry_that_cannot_say_takes_nothing_away(known: bool, trouble: str, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        bearer = (await stage.login(stage.alice, PUBLIC))[1]
        stage.world.now += 1.5 * HOUR
        if trouble == "down":
            stage.world.hostile.stop()
        else:
            stage.world.hostile.on("quay.io", "/v2/*", Answer(429 if trouble == "limited" else 500))
        for path, body in ((TAG, OPEN), (DIGEST, OPEN), (BLOB, LAYER)):
            for _ in range(2):
                answer, found = await stage.world.get(path, *([bearer] if known else []))
                assert (answer.head.status, found) == (200, body)
                assert isinstance(answer, Stored | Reply)
                assert answer.until <= stage.world.now

    on_stage(story, tmp_path)


def test_strangers_are_refused_and_who_cannot_be_asked_about_hears_that_it_cannot(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        bearer = (await stage.login(stage.alice, PUBLIC))[1]
        stage.world.now += 1.5 * HOUR
        stage.vault.readers[PUBLIC] = {"alice"}
        whole = stage.world.hostile

        def only_strangers(received):  # type: ignore[no-untyped-def]
            return Answer(500) if received.field("authorization").startswith("Basic") else stage.vault._locked(received)

        whole.on("quay.io", "/token", only_strangers)
        answer, body = await stage.world.get(DIGEST, bearer)
        assert (answer.head.status, OPEN in body) == (503, False)
        assert "cannot be asked now" in answer.head.reason
        whole.on("quay.io", "/token", stage.vault._locked)
        assert (await stage.world.get(DIGEST, bearer))[0].head.status == 200

    on_stage(story, tmp_path)


def test_a_registry_that_takes_its_time_is_not_waited_for_and_its_word_counts_for_the_next_one(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.world.now += HOUR
        slow = asyncio.Event()
        loop = asyncio.get_running_loop()

        def late(received):  # type: ignore[no-untyped-def]
            asyncio.run_coroutine_threadsafe(slow.wait(), loop).result(10)
            return stage.vault._locked(received)

        stage.world.hostile.on("quay.io", "/token", late)
        answer, body = await stage.get(None, BLOB)
        assert (answer.labels.outcome, body) == (Outcome.HIT, LAYER)
        slow.set()
        while stage.world.core._engines.tasks:
            await asyncio.sleep(0.001)
        assert (await stage.get(None, BLOB))[0].head.status == 401

    on_stage(story, tmp_path, tiers=TIERS.replace("defaults {", "defaults { revalidate head within 50ms;"))


@pytest.mark.parametrize("reference", ["1.0", sha256(OPEN)])
def test_what_was_deleted_upstream_is_served_as_long_as_it_is_fresh_where_the_repository_is_still_public(
    reference: str, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        stage.world.now += HOUR
        del stage.vault.content[PUBLIC, f"manifests/{reference}"]
        assert await stage.pull(None, reference, PUBLIC) == 200
        asked = [one for one in stage.vault.forget() if one[2] != "/token"]
        assert asked == [("?", "HEAD", f"/v2/{PUBLIC}/manifests/{reference}"), ("?", "GET", ASKED_AS_SUCH)]
        assert (await stage.get(None, BLOB))[0].labels.outcome is Outcome.HIT
        assert stage.vault.forget() == []

    on_stage(story, tmp_path)


def test_who_wants_no_question_asked_is_told_that_one_is_due(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        stage.world.now += HOUR
        answer, _ = await stage.get(None, BLOB, "GET", ("Cache-Control", "only-if-cached"))
        assert (answer.head.status, stage.vault.forget()) == (504, [])

    on_stage(story, tmp_path)


def test_a_token_of_before_proves_nothing(tmp_path: Path) -> None:
    """The service's tokens hold what their bearer might read when they were issued."""

    async def story(stage: Stage) -> None:
        await warmed(stage)
        await stage.pull(None, "nothing", PUBLIC)
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.world.now += 2 * HOUR
        assert (await stage.get(None, BLOB))[0].head.status == 401
        assert ("?", "GET", "/token") in stage.vault.forget()

    on_stage(story, tmp_path)


@pytest.mark.parametrize("seconds", [0.0, 2 * 86_400.0])
def test_a_clock_that_went_back_is_asked_about_and_then_forgotten(seconds: float, tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await warmed(stage)
        stage.world.now -= seconds
        for _ in range(3):
            assert (await stage.get(None, BLOB))[0].labels.outcome is Outcome.HIT
        assert len([one for one in stage.vault.forget() if one[1] == "HEAD"]) == (1 if seconds else 0)

    on_stage(story, tmp_path)


def test_a_credential_that_lost_its_access_closes_what_was_lent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s")

    async def story(stage: Stage) -> None:
        stage.vault.passwords["robot"] = "s"
        stage.vault.readers[PRIVATE].add("robot")
        assert await stage.pull(None) == 200
        stage.vault.readers[PRIVATE].discard("robot")
        stage.world.now += HOUR - 1
        assert await stage.pull(None) == 200
        stage.world.now += 1
        assert await stage.pull(None) == 401
        assert await stage.pull(stage.alice) == 200

    on_stage(story, tmp_path, more=('auth basic { username "robot"; password env SECRET; }',))


def test_a_list_that_is_as_fresh_as_its_origin_says_is_asked_about_too(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        fields = (("Content-Type", "application/json"), ("Cache-Control", "max-age=86400"))
        stage.vault.content[PUBLIC, "tags/list"] = Answer(200, fields, b'{"tags":["1.0"]}')
        await stage.get(None, LIST)
        assert (await stage.get(None, LIST))[0].labels.outcome is Outcome.HIT
        stage.vault.readers[PUBLIC] = {"alice"}
        stage.world.now += HOUR - 1
        assert (await stage.get(None, LIST))[0].head.status == 200
        stage.world.now += 1
        stage.vault.issued.clear()
        assert (await stage.get(None, LIST))[0].head.status == 401

    on_stage(story, tmp_path, tiers=TIERS.replace("fresh 2h; }\ntier rest", "fresh origin; }\ntier rest"))
