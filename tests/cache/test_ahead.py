"""Layers fetched behind a manifest: of platforms that clients pull, while nobody waits, and as who asked for it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from regproxy.cache import ahead
from regproxy.model.event import Outcome
from regproxy.model.oci import parse_digest
from regproxy.model.pull_event import LayersPrefetched
from tests.cache.private import LAYER, PRIVATE, Stage, on_stage
from tests.cache.private import TIERS as PRIVATE_TIERS
from tests.cache.test_prefetch import LAYERS, blobs_asked, put
from tests.cache.test_purging import manifest_of, pull
from tests.cache.world import QUAY, TIERS, World, told
from tests.lab.answers import blob
from tests.lab.images import sha256

ON = TIERS.replace("defaults {", "defaults { prefetch on;")
AMD, ARM = LAYERS
MANIFEST = "/v2/a/b/manifests/%s"


async def behind(world: World) -> None:
    """The moment that is the client's own is over."""
    world.now += ahead.MOMENT_SECONDS
    await world.core.cache.ahead.step()
    await settled(world)


async def moved(world: World) -> dict[str, str]:
    """A client pulled one platform; the tag moved, and a client has its new index. The new manifests by platform."""
    _, digests = put(world)
    await pull(world)
    assert (await pull(world, MANIFEST % digests[AMD]))[0] is Outcome.MISS
    await behind(world)
    _, digests = put(world, "new")
    world.now += 301
    assert (await pull(world))[0] is Outcome.EXPIRED
    return digests


def layer(platform: str, note: str = "new") -> str:
    return f"/v2/a/b/blobs/{sha256(LAYERS[platform] + note.encode())}"


def prefetched(world: World) -> list[LayersPrefetched]:
    return [event for event in world.events if isinstance(event, LayersPrefetched)]


async def on_its_way(world: World) -> None:
    async with asyncio.timeout(5):
        while not world.core.cache.fills:
            await asyncio.sleep(0.01)


async def settled(world: World) -> None:
    async with asyncio.timeout(5):
        while world.core.cache.fills:
            await asyncio.sleep(0.01)


def test_behind_a_moved_index_come_the_layers_of_the_platform_that_clients_pull(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digests = await moved(world)
        assert blobs_asked(world) == 1, "the moment is the client's own"
        await behind(world)
        assert blobs_asked(world) == 2
        asked = len(world.asked())
        assert (await pull(world, MANIFEST % digests[AMD]))[0] is Outcome.HIT
        assert (await pull(world, layer(AMD)))[0] is Outcome.HIT
        assert len(world.asked()) == asked
        assert (await pull(world, MANIFEST % digests[ARM]))[0] is Outcome.MISS, "nobody pulls that platform"
        size = len(LAYERS[AMD])
        assert [(one.contents, one.bytes >= size, one.failure) for one in prefetched(world)] == [
            (1, True, ""),
            (2, True, ""),
        ]

    told(story, tmp_path, ON)


def test_a_platform_that_only_the_proxy_fetched_is_not_fetched_for_ever(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        _, first = put(world)
        second = await moved(world)
        await behind(world)
        await world.core.store.discard(parse_digest(first[AMD]))
        for note, fetched in (("third", 0), ("fourth", 1)):
            before = blobs_asked(world)
            put(world, note)
            world.now += 301
            await pull(world)
            await behind(world)
            assert blobs_asked(world) == before + fetched, note
            await pull(world, MANIFEST % second[AMD])

    told(story, tmp_path, ON)


def test_it_is_off_unless_the_policy_says_otherwise(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await moved(world)
        await behind(world)
        assert blobs_asked(world) == 0

    told(story, tmp_path)


def held(world: World) -> None:
    world.core.standing.block(QUAY, 60)


def full(world: World) -> None:
    store = world.core.store
    store.limits = replace(store.limits, size=store.usage().content)


@pytest.mark.parametrize(
    ("hinder", "failures"),
    [(held, []), (full, ["nothing leaves the cache for what nobody asked for yet"])],
)
def test_it_is_not_fetched_from_a_registry_that_rests_nor_onto_a_full_disk(
    hinder: Callable[[World], None], failures: list[str], tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        digests = await moved(world)
        await pull(world, MANIFEST % digests[AMD])
        hinder(world)
        world.events.clear()
        before = len(world.asked())
        await behind(world)
        assert len(world.asked()) == before
        assert {one.failure for one in prefetched(world)} == set(failures)
        world.core.standing.unblock(QUAY)
        await world.core.cache.ahead.step()
        assert blobs_asked(world) == 1 + (hinder is held), "it waits for the registry, and not for the disk"

    told(story, tmp_path, ON)


def test_clients_come_first_and_what_is_on_its_way_gives_way_to_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        theirs, ours = b"a" * 500_000, b"b" * 800_000
        for data, rate in ((theirs, 1_000_000), (ours, 400_000)):
            world.hostile.on("quay.io", f"/v2/a/b/blobs/{sha256(data)}", replace(blob(data), rate=rate))
        world.tag("slow", manifest_of(ours))
        await pull(world, "/v2/a/b/manifests/slow")
        client = asyncio.create_task(pull(world, f"/v2/a/b/blobs/{sha256(theirs)}"))
        await on_its_way(world)
        asked = len(world.asked())
        world.now += ahead.MOMENT_SECONDS
        await world.core.cache.ahead.step()
        assert len(world.asked()) == asked, "clients come first"
        assert (await client)[0] is Outcome.MISS
        await settled(world)
        step = asyncio.create_task(world.core.cache.ahead.step())
        await on_its_way(world)
        await world.core.store.discard(parse_digest(sha256(theirs)))
        client = asyncio.create_task(pull(world, f"/v2/a/b/blobs/{sha256(theirs)}"))
        await step
        assert {one.total: one.clients for one in world.core.cache.transfers()}[len(ours)] == 0, "it goes on alone"
        await client
        await world.core.cache.ahead.step()
        await settled(world)
        assert (await pull(world, f"/v2/a/b/blobs/{sha256(ours)}"))[0] is Outcome.HIT
        assert {one.failure for one in prefetched(world)} == {""}

    told(story, tmp_path, ON)


def test_where_pulls_are_counted_none_is_spent_ahead(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digests = await moved(world)
        before = len(world.asked())
        await behind(world)
        assert len(world.asked()) == before
        await pull(world, MANIFEST % digests[AMD])
        await behind(world)
        assert blobs_asked(world) == 2, "a layer is no pull"

    told(story, tmp_path, ON, more=("limits { pulls 100/6h; }",))


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_what_came_for_one_login_is_for_nobody_else(scheme: Literal["bearer", "basic"], tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.vault.push(PRIVATE, "2.0", manifest_of(LAYER))
        assert await stage.pull(stage.alice, "2.0") == 200
        stage.vault.forget()
        await behind(stage.world)
        path = f"/v2/{PRIVATE}/blobs/{sha256(LAYER)}"
        assert [(who, where) for who, _, where in stage.vault.forget() if where != "/token"] == [("alice", path)]
        assert (await stage.get(stage.bob, path))[0].head.status == 401
        assert (await stage.get(None, path))[0].head.status == 401
        answer, body = await stage.get(stage.alice, path)
        assert (answer.labels.outcome, body) == (Outcome.HIT, LAYER)

    on_stage(story, tmp_path, scheme=scheme, tiers=PRIVATE_TIERS.replace("defaults {", "defaults { prefetch on;"))


def test_of_too_many_manifests_and_of_old_ones_the_layers_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "MAX_WAITING", 3)

    async def story(world: World) -> None:
        for number in range(ahead.MAX_WAITING + 1):
            data = f"layer {number}".encode()
            world.hostile.on("quay.io", f"/v2/a/b/blobs/{sha256(data)}", blob(data))
            world.tag(f"t{number}", manifest_of(data))
            await pull(world, f"/v2/a/b/manifests/t{number}")
        await behind(world)
        assert blobs_asked(world) == ahead.MAX_WAITING
        put(world)
        await pull(world)
        world.now += ahead.MAX_WAIT_SECONDS
        await world.core.cache.ahead.step()
        assert blobs_asked(world) == ahead.MAX_WAITING

    told(story, tmp_path, ON)
