"""What clients see while a registry limits us: what is known is served, and what is not is refused in plain words."""

import asyncio
from pathlib import Path

import pytest

from regproxy.model.event import Outcome
from regproxy.model.message import field
from tests.cache.world import World, told
from tests.lab.answers import Answer, abused, blob, manifest, pull_limited
from tests.lab.images import sha256

ONE, TWO = b'{"schemaVersion":2,"one":1}', b'{"schemaVersion":2,"two":2}'
BASE = "/v2/a/b"
TAG, COLD = f"{BASE}/manifests/latest", f"{BASE}/manifests/cold"
BLOB = f"{BASE}/blobs/{sha256(b'layer')}"


async def limited(world: World, answer: Answer) -> None:
    """A client runs into the limit with a manifest that nobody has."""
    unknown = f"{BASE}/manifests/{sha256(b'unknown')}"
    world.hostile.on("quay.io", unknown, answer)
    reply, _ = await world.get(unknown)
    assert reply.head.status == 429
    world.hostile.requests.clear()


def test_while_pulls_are_held_heads_go_on_and_cost_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one = world.tag("latest", ONE)
        await world.get(TAG)
        await limited(world, pull_limited(("Retry-After", "900")))
        world.now += 301
        assert await world.outcome(TAG) is Outcome.REVALIDATED
        assert await world.outcome(f"{BASE}/manifests/{one}") is Outcome.HIT
        world.tag("latest", TWO)
        world.now += 301
        answer, body = await world.get(TAG)
        assert (answer.labels.outcome, body) == (Outcome.STALE, ONE)
        world.hostile.on("quay.io", BLOB, blob(b"layer"))
        assert (await world.get(BLOB))[1] == b"layer"
        assert [seen.method for seen in world.hostile.requests] == ["HEAD", "HEAD", "GET"]

    told(story, tmp_path)


@pytest.mark.parametrize("known", ["a hold", "a hold whose time is over", "nothing left"])
def test_a_head_never_names_a_manifest_that_cannot_be_had(known: str, tmp_path: Path) -> None:
    """dockerd and containerd ask by HEAD and then get what it names: a 429 there would fail a warm pull."""

    async def story(world: World) -> None:
        one = world.tag("latest", ONE)
        await world.get(TAG)
        two = world.tag("latest", TWO)
        if known != "nothing left":
            await limited(world, pull_limited(("Retry-After", "900" if known == "a hold" else "1")))
        else:
            fields = (*manifest(TWO, "text/plain", two).fields, *pull_limited().fields[1:])
            world.hostile.on("quay.io", TAG, Answer(200, fields, TWO))
        world.hostile.on("quay.io", f"{BASE}/manifests/{two}", pull_limited())
        world.now += 301
        answer, body = await world.ask("HEAD", TAG)
        assert (answer.labels.outcome, body) == (Outcome.STALE, b"")
        assert field(answer.head.fields, "docker-content-digest") == one
        assert world.asked(f"{BASE}/manifests/{two}") == ([] if known == "a hold" else ["GET"])
        world.tag("latest", TWO)
        world.now += 3600
        answer, body = await world.ask("HEAD", TAG)
        assert (answer.labels.outcome, body) == (Outcome.EXPIRED, b"")
        assert field(answer.head.fields, "docker-content-digest") == two
        assert await world.outcome(f"{BASE}/manifests/{two}") is Outcome.HIT

    told(story, tmp_path)


def test_a_tag_that_nobody_asked_for_yet_is_served_when_it_names_what_is_here(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one = world.tag("latest", ONE)
        await world.get(TAG)
        await limited(world, pull_limited())
        world.hostile.on("quay.io", f"{BASE}/manifests/new", manifest(ONE, "text/plain", one))
        answer, body = await world.get(f"{BASE}/manifests/new")
        assert (answer.labels.outcome, body) == (Outcome.MISS, ONE)
        assert [seen.method for seen in world.hostile.requests] == ["HEAD"]

    told(story, tmp_path)


def test_a_tier_that_revalidates_by_get_asks_by_head_while_pulls_are_held(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("etag", ONE)
        await world.get(f"{BASE}/manifests/etag")
        await limited(world, pull_limited(("Retry-After", "900")))
        world.now += 61
        assert await world.outcome(f"{BASE}/manifests/etag") is Outcome.REVALIDATED
        assert [seen.method for seen in world.hostile.requests] == ["HEAD"]

    told(story, tmp_path)


def test_while_everything_is_held_nothing_is_sent_and_stale_is_served_by_rule(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        world.hostile.on("quay.io", f"{BASE}/tags/list", Answer(200, body=b'{"tags":[]}'))
        await world.get(TAG)
        await world.get(f"{BASE}/tags/list")
        await limited(world, abused(("Retry-After", "900")))
        world.now += 301
        assert await world.outcome(TAG) is Outcome.STALE
        assert await world.outcome(f"{BASE}/tags/list") is Outcome.STALE
        for target in (BLOB, COLD, f"{BASE}/manifests/passed", "/web/page"):
            reply, _ = await world.get(target)
            assert reply.head.status == 429, target
        answer, _ = await world.get(TAG, ("Authorization", "Basic bWU6bWU="))
        assert answer.labels.outcome is Outcome.STALE, "what strangers may read is read by callers with a login, too"
        assert world.hostile.requests == []
        world.now += 600
        assert await world.outcome(TAG) is Outcome.REVALIDATED

    told(story, tmp_path)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", [COLD, f"{BASE}/manifests/passed", f"{BASE}/manifests/{sha256(b'x')}", BLOB])
def test_the_client_reads_whose_limit_it_is_and_until_when(target: str, method: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", target, abused(("Retry-After", "300")))
        sentence = "regproxy: quay.io limits the requests of this proxy (429); asked again at 13:51:40 UTC"
        for _ in range(2):
            answer, body = await world.ask(method, target)
            assert (answer.head.status, answer.head.reason) == (429, sentence)
            assert field(answer.head.fields, "retry-after") == "60"
            assert (sentence.encode() in body) == (method == "GET")
        assert len(world.hostile.requests) == 1

    told(story, tmp_path)


def test_what_a_registry_says_of_its_limit_is_never_replayed(tmp_path: Path) -> None:
    left = (
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", "41;w=21600"),
        ("docker-ratelimit-source", "me"),
    )

    async def story(world: World) -> None:
        good = manifest(ONE, "text/plain", sha256(ONE))
        for target in (TAG, f"{BASE}/manifests/{sha256(ONE)}"):
            world.hostile.on("quay.io", target, Answer(200, (*good.fields, *left), ONE))
            for method in ("HEAD", "GET", "HEAD", "GET"):
                answer, _ = await world.ask(method, target)
                assert [name for name, _ in answer.head.fields if "ratelimit" in name.lower()] == []

    told(story, tmp_path)


def test_the_policys_cap_saves_what_is_left_for_others(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        other = world.tag("other", TWO)
        answer, body = await world.get(f"{BASE}/manifests/{other}")
        assert answer.head.status == 429
        assert b"the policy's limit on pulls from quay.io (1 in 1 h) is reached until 14:46:40 UTC" in body
        world.now += 301
        assert await world.outcome(TAG) is Outcome.REVALIDATED
        world.now += 3300
        assert (await world.get(f"{BASE}/manifests/{other}"))[1] == TWO

    told(story, tmp_path, more=("limits { pulls 1/1h; }",))


def test_a_dead_registry_is_not_asked_again_and_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("zero", ONE)
        target = f"{BASE}/manifests/zero"
        await world.get(target)
        world.hostile.stop()
        for _ in range(6):
            assert await world.outcome(target) is Outcome.STALE
        world.hostile.start()
        asked = len(world.hostile.requests)
        assert await world.outcome(target) is Outcome.STALE
        answer, body = await world.get(COLD)
        assert answer.head.status == 502
        assert b"connection refused; it failed in a row and is asked again at" in body
        assert len(world.hostile.requests) == asked
        world.now += 6
        assert await world.outcome(target) is Outcome.REVALIDATED

    told(story, tmp_path)


def test_fifty_clients_of_a_held_tag_wait_for_nobody(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", COLD, pull_limited())
        await limited(world, pull_limited())
        answers = await asyncio.gather(*(world.get(COLD) for _ in range(50)))
        assert {answer.head.status for answer, _ in answers} == {429}
        assert [seen.method for seen in world.hostile.requests] == ["HEAD"]

    told(story, tmp_path)


PROD, CI = "10.20.0.1", "10.30.0.1"
GROUP = 'client-group prod { address "10.20.0.0/16"; }'


def left(answer: Answer, pulls: int) -> Answer:
    """An answer that says how many pulls are left."""
    counts = (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", f"{pulls};w=21600"))
    return Answer(answer.status, (*answer.fields, *counts), answer.body)


def test_the_last_pulls_are_for_the_group_and_the_others_get_what_is_known(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one = manifest(ONE, "text/plain", sha256(ONE))
        for target in (TAG, f"{BASE}/manifests/{sha256(ONE)}"):
            world.hostile.on("quay.io", target, left(one, 40))
        assert (await world.get(TAG, client=CI))[1] == ONE
        cold = f"{BASE}/manifests/{world.tag('cold', TWO)}"
        answer, body = await world.get(cold, client=CI)
        assert (answer.head.status, field(answer.head.fields, "retry-after")) == (429, "60")
        assert b"leaves account anonymous 40 pulls, of which 40 are kept for client-group prod" in body
        assert world.asked(cold) == []
        world.tag("latest", TWO)
        world.now += 301
        answer, body = await world.get(TAG, client=CI)
        assert (answer.labels.outcome, body) == (Outcome.STALE, ONE)
        assert (await world.get(cold, client=PROD))[1] == TWO
        assert (await world.get(cold, client=CI))[1] == TWO, "what one of the group pulled is there for all"

    told(story, tmp_path, more=("limits { reserve 40 for prod; }",), head=GROUP)


def test_the_reserve_counts_again_when_the_registry_leaves_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one = manifest(ONE, "text/plain", sha256(ONE))
        world.hostile.on("quay.io", TAG, left(one, 40))
        await world.get(TAG, client=CI)
        cold = f"{BASE}/manifests/{world.tag('cold', TWO)}"
        assert (await world.get(cold, client=CI))[0].head.status == 429
        world.hostile.on("quay.io", TAG, left(one, 41))
        world.now += 301
        assert await world.outcome(TAG) is Outcome.REVALIDATED, "a HEAD tells, and costs nothing"
        assert (await world.get(cold, client=CI))[1] == TWO

    told(story, tmp_path, more=("limits { reserve 40 for prod; }",), head=GROUP)


def test_the_policys_cap_keeps_the_reserve_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digests = [world.tag(str(number), b'{"schemaVersion":2,"n":%d}' % number) for number in range(4)]
        clients = [CI, CI, PROD, PROD]
        statuses = []
        for digest, client in zip(digests, clients, strict=True):
            answer, body = await world.get(f"{BASE}/manifests/{digest}", client=client)
            statuses.append(answer.head.status)
            assert answer.head.status == 200 or b"(3 in 1 h)" in body
        assert statuses == [200, 429, 200, 200]
        answer, body = await world.get(f"{BASE}/manifests/{sha256(b'more')}", client=PROD)
        assert (answer.head.status, b"kept" in body) == (429, False)

    told(story, tmp_path, more=("limits { pulls 3/1h; reserve 2 for prod; }",), head=GROUP)


def test_what_the_others_are_refused_does_not_reach_the_group(tmp_path: Path) -> None:
    """One waits to learn whether there are more pulls, the other asks for the same: each gets its own answer."""

    async def story(world: World) -> None:
        one = manifest(ONE, "text/plain", sha256(ONE))
        world.hostile.on("quay.io", TAG, left(one, 1))
        await world.get(TAG, client=CI)
        cold = f"{BASE}/manifests/{world.tag('cold', TWO)}"
        both = await asyncio.gather(world.get(cold, client=CI), world.get(cold, client=PROD))
        assert [answer.head.status for answer, _ in both] == [429, 200]

    told(story, tmp_path, more=("limits { reserve 1 for prod; }",), head=GROUP)
