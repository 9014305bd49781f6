"""Tags: free HEADs, digests that move, outages, and who gets which digest."""

import asyncio
from pathlib import Path
from threading import Event

from regproxy.model.event import Outcome
from regproxy.model.message import field
from tests.cache.world import MANIFEST_TYPE, World, told
from tests.lab.answers import Answer, manifest
from tests.lab.images import sha256

ONE, TWO = b'{"schemaVersion":2,"one":1}', b'{"schemaVersion":2,"two":2}'
TAG = "/v2/a/b/manifests/latest"


def test_a_tag_is_fetched_once_and_then_served(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("latest", ONE)
        for expected in (Outcome.MISS, Outcome.HIT):
            answer, body = await world.get(TAG)
            assert (answer.labels.outcome, body) == (expected, ONE)
            assert field(answer.head.fields, "docker-content-digest") == digest
        assert world.asked(TAG) == ["GET"]
        assert await world.outcome(f"/v2/a/b/manifests/{digest}") is Outcome.HIT

    told(story, tmp_path)


def test_a_stale_tag_costs_one_head_and_no_pull(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        world.now += 301
        answer, body = await world.get(TAG)
        assert (answer.labels.outcome, body) == (Outcome.REVALIDATED, ONE)
        assert world.asked(TAG) == ["GET", "HEAD"]
        assert await world.outcome(TAG) is Outcome.HIT

    told(story, tmp_path)


def test_a_moved_tag_is_served_by_its_new_digest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        digest = world.tag("latest", TWO)
        world.now += 299
        assert (await world.get(TAG))[1] == ONE
        world.now += 1
        answer, body = await world.get(TAG)
        assert (answer.labels.outcome, body) == (Outcome.EXPIRED, TWO)
        assert world.asked(TAG) == ["GET", "HEAD"]
        assert world.asked(f"/v2/a/b/manifests/{digest}") == ["GET"]

    told(story, tmp_path)


def test_a_head_stays_a_head_and_the_get_after_it_goes_by_digest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("latest", ONE)
        answer, body = await world.ask("HEAD", TAG)
        assert body == b""
        assert field(answer.head.fields, "content-length") == str(len(ONE))
        assert field(answer.head.fields, "content-type") == MANIFEST_TYPE
        assert (await world.get(TAG))[1] == ONE
        assert world.asked(TAG) == ["HEAD"]
        assert world.asked(f"/v2/a/b/manifests/{digest}") == ["GET"]

    told(story, tmp_path)


def test_a_head_without_a_digest_is_followed_by_a_get_and_hashed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", TAG, Answer(200, (("Content-Type", MANIFEST_TYPE),), ONE))
        answer, _ = await world.ask("HEAD", TAG)
        assert field(answer.head.fields, "docker-content-digest") == sha256(ONE)
        assert world.asked(TAG) == ["HEAD", "GET"]

    told(story, tmp_path)


def test_a_429_on_a_head_is_never_followed_by_a_get(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        world.hostile.on("quay.io", TAG, Answer(429, (("Retry-After", "60"),)))
        world.now += 301
        answer, body = await world.get(TAG)
        assert (answer.labels.outcome, body) == (Outcome.STALE, ONE)
        world.now += 8 * 86400
        answer, _ = await world.get(TAG)
        assert answer.head.status == 429
        assert field(answer.head.fields, "retry-after") == "60"
        assert world.asked(TAG) == ["GET", "HEAD", "HEAD"]

    told(story, tmp_path)


def test_an_outage_is_survived_for_the_stated_time_and_no_longer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        world.hostile.stop()
        world.now += 300 + 7 * 86400 - 1
        answer, body = await world.get(TAG)
        assert (answer.labels.outcome, body) == (Outcome.STALE, ONE)
        world.now += 2
        answer, body = await world.get(TAG)
        assert answer.head.status == 502
        assert b"quay.io" in body

    told(story, tmp_path)


def test_fresh_for_nothing_still_stores_coalesces_and_survives_outages(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("zero", ONE)
        path = "/v2/a/b/manifests/zero"
        await world.get(path)
        outcomes = await asyncio.gather(*(world.outcome(path) for _ in range(20)))
        assert set(outcomes) == {Outcome.REVALIDATED}
        assert world.asked(path) == ["GET", "HEAD"]
        world.hostile.stop()
        assert await world.outcome(path) is Outcome.STALE

    told(story, tmp_path)


def test_fifty_cold_pulls_of_a_tag_are_one_request(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        answers = await asyncio.gather(*(world.get(TAG) for _ in range(50)))
        assert {body for _, body in answers} == {ONE}
        assert sorted(answer.labels.outcome for answer, _ in answers) == [Outcome.COLLAPSED] * 49 + [Outcome.MISS]
        assert world.asked(TAG) == ["GET"]

    told(story, tmp_path)


def test_nobody_who_asks_after_the_first_new_answer_gets_the_old_digest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("zero", ONE)
        path = "/v2/a/b/manifests/zero"
        await world.get(path)
        seen_new = False

        async def pull(number: int) -> None:
            nonlocal seen_new
            if number == 20:
                world.tag("zero", TWO)
            asked_after = seen_new
            _, body = await world.get(path)
            assert not (asked_after and body == ONE)
            seen_new = seen_new or body == TWO

        running: list[asyncio.Task[None]] = []
        for number in range(50):
            running.append(asyncio.create_task(pull(number)))
            await asyncio.sleep(0)
            if number % 5 == 4:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*running)
        assert seen_new

    told(story, tmp_path)


def test_a_slow_registry_is_waited_for_two_seconds_and_then_answered_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        gate = Event()
        slow = manifest(TWO, MANIFEST_TYPE, sha256(TWO))

        def stalled(_: object) -> Answer:
            gate.wait(10)
            return slow

        world.hostile.on("quay.io", TAG, stalled)
        world.hostile.on("quay.io", f"/v2/a/b/manifests/{sha256(TWO)}", slow)
        world.now += 301
        began = asyncio.get_running_loop().time()
        assert (await world.get(TAG))[1] == ONE
        assert 1.9 < asyncio.get_running_loop().time() - began < 4
        gate.set()
        async with asyncio.timeout(5):
            while (await world.get(TAG))[1] != TWO:
                await asyncio.sleep(0.02)

    told(story, tmp_path)


def test_while_revalidate_serves_stale_and_asks_once_behind(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("swr", ONE)
        path = "/v2/a/b/manifests/swr"
        await world.get(path)
        world.tag("swr", TWO)
        world.now += 61
        outcomes = await asyncio.gather(*(world.outcome(path) for _ in range(20)))
        assert set(outcomes) == {Outcome.SWR}
        async with asyncio.timeout(5):
            while (await world.get(path))[1] != TWO:
                await asyncio.sleep(0.01)
        assert world.asked(path) == ["GET", "HEAD"]

    told(story, tmp_path)


def test_while_revalidate_spends_no_pull_on_a_manifest_that_is_here(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/manifests/swr"
        for data in (TWO, ONE):
            world.tag("swr", data)
            await world.get(f"/v2/a/b/manifests/{sha256(data)}")
        await world.get(path)
        world.tag("swr", TWO)
        world.now += 61
        assert await world.outcome(path) is Outcome.SWR
        async with asyncio.timeout(5):
            while (await world.get(path))[1] != TWO:
                await asyncio.sleep(0.01)
        assert world.asked(path) == ["GET", "HEAD"]
        assert world.asked(f"/v2/a/b/manifests/{sha256(TWO)}") == ["GET"]

    told(story, tmp_path)


def test_a_gone_tag_is_404_while_the_registry_says_so_and_comes_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("latest", ONE)
        await world.get(TAG)
        world.hostile.on("quay.io", TAG, Answer(404))
        world.now += 301
        assert (await world.get(TAG))[0].head.status == 404
        assert await world.outcome(f"/v2/a/b/manifests/{digest}") is Outcome.HIT
        world.hostile.on("quay.io", TAG, manifest(ONE, MANIFEST_TYPE, digest))
        assert (await world.get(TAG))[1] == ONE

    told(story, tmp_path)


def test_a_404_is_remembered_only_as_long_as_the_tier_says(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/manifests/neg"
        assert (await world.get(path))[0].head.status == 404
        assert await world.outcome(path) is Outcome.NEGATIVE
        assert world.asked(path) == ["GET"]
        world.now += 11
        assert await world.outcome(path) is Outcome.MISS

    told(story, tmp_path)


def test_a_client_that_does_not_admit_the_native_answer_gets_its_own(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        docker = "application/vnd.docker.distribution.manifest.v2+json"
        world.hostile.on("quay.io", TAG, manifest(TWO, docker, sha256(TWO)))
        assert (await world.get(TAG, ("Accept", docker)))[1] == TWO
        assert (await world.get(TAG, ("Accept", MANIFEST_TYPE)))[1] == ONE
        assert (await world.get(TAG, ("Accept", f"{docker}, {MANIFEST_TYPE}")))[1] == ONE

    told(story, tmp_path)


def test_a_registry_that_names_another_digest_than_its_bytes_is_not_believed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", TAG, manifest(ONE, MANIFEST_TYPE, sha256(TWO)))
        answer, body = await world.get(TAG)
        assert answer.head.status == 502
        assert b"hash" in body
        assert world.core.store.usage().entries == 0

    told(story, tmp_path)


def test_a_tier_may_revalidate_by_entity_tag(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/manifests/etag"
        digest = world.tag("etag", ONE)
        await world.get(path)
        world.hostile.on("quay.io", path, Answer(304))
        world.now += 61
        assert await world.outcome(path) is Outcome.REVALIDATED
        assert world.hostile.seen("quay.io", path)[-1].field("if-none-match") == f'"{digest}"'

    told(story, tmp_path)


def test_a_tier_may_revalidate_by_the_whole_manifest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/manifests/full"
        world.tag("full", ONE)
        await world.get(path)
        world.now += 61
        assert await world.outcome(path) is Outcome.REVALIDATED
        world.tag("full", TWO)
        world.now += 61
        answer, body = await world.get(path)
        assert (answer.labels.outcome, body) == (Outcome.EXPIRED, TWO)
        assert world.asked(path) == ["GET", "GET", "GET"]
        assert all(not request.field("if-none-match") for request in world.hostile.seen("quay.io", path))

    told(story, tmp_path)


def test_a_denied_tag_never_reaches_the_registry(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        answer, body = await world.get("/v2/a/b/manifests/banned")
        assert answer.head.status == 403
        assert answer.head.reason == "regproxy: tier banned: pin a digest"
        assert b"pin a digest" in body
        assert world.hostile.seen("quay.io") == []

    told(story, tmp_path)


def test_a_passed_tag_is_stored_nowhere(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("passed", ONE)
        for _ in range(2):
            answer, body = await world.get("/v2/a/b/manifests/passed")
            assert (answer.labels.outcome, body) == (Outcome.PASS, ONE)
        assert world.asked("/v2/a/b/manifests/passed") == ["GET", "GET"]
        assert world.core.store.usage().entries == 0

    told(story, tmp_path)
