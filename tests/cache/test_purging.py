"""What the operator says of images, and what clients meet afterwards."""

import asyncio
from pathlib import Path

import pytest

from regproxy.cache.purging import Depth
from regproxy.model.event import EntryEvicted, Outcome
from regproxy.model.inventory import Purged, TagKey
from regproxy.model.oci import parse_digest
from tests.cache.world import QUAY, World, told
from tests.lab.answers import Answer, blob
from tests.lab.images import sha256

LAYER, SHARED = b"a layer" * 1000, b"a layer of two" * 1000
PATH = "/v2/a/b/manifests/latest"
NAME = "quay.io/a/b:latest"
LATEST = TagKey(QUAY, "a/b", "latest")


def manifest_of(*layers: bytes, note: str = "") -> bytes:
    listed = ",".join(f'{{"digest":"{sha256(layer)}","size":{len(layer)}}}' for layer in layers)
    return f'{{"schemaVersion":2,"layers":[{listed}],"annotations":{{"of":"{note}"}}}}'.encode()


OLD, NEW = manifest_of(LAYER, SHARED, note="old"), manifest_of(SHARED, note="new")


async def pull(world: World, path: str = PATH) -> tuple[Outcome, bytes]:
    answer, body = await world.get(path)
    return answer.labels.outcome, body


async def fill(world: World, layer: bytes, repository: str = "a/b") -> None:
    """Pull a layer until it is served from disk."""
    path = f"/v2/{repository}/blobs/{sha256(layer)}"
    world.hostile.on("quay.io", path, blob(layer))
    async with asyncio.timeout(5):
        while (await pull(world, path))[0] is not Outcome.HIT:
            await asyncio.sleep(0.01)


async def purge(world: World, name: str, depth: Depth) -> Purged:
    purging = world.core.cache.purging
    return await purging.purge(await purging.keys(name), depth)


async def moved(world: World) -> str:
    """The cache has the old version, the registry the new one; the digest of the old."""
    old = world.tag("latest", OLD)
    await pull(world)
    world.tag("latest", NEW)
    return old


def test_what_expired_is_asked_for_before_it_is_served(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await moved(world)
        assert await pull(world) == (Outcome.HIT, OLD)
        world.now += 1
        assert (await purge(world, NAME, "expire")).tags == (LATEST,)
        assert await pull(world) == (Outcome.EXPIRED, NEW)
        assert (await pull(world))[0] is Outcome.HIT

    told(story, tmp_path)


def test_what_expired_still_saves_an_outage_for_as_long_as_the_tier_says(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await moved(world)
        world.now += 60
        await purge(world, "quay.io/a/*:*", "expire")
        world.hostile.stop()
        world.now += 7 * 86400 - 1
        await world.restart()
        assert await pull(world) == (Outcome.STALE, OLD)
        world.now += 2
        answer, _ = await world.get(PATH)
        assert answer.head.status == 502

    told(story, tmp_path)


def test_a_distrusted_digest_is_never_served_from_its_tag_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("latest", OLD)
        await pull(world)
        await purge(world, NAME, "distrust")
        for _ in range(2):
            for method in ("GET", "HEAD"):
                answer, _ = await world.ask(method, PATH)
                assert answer.head.status == 403
                assert "the operator distrusts" in (answer.head.reason or "")
            await world.restart()
        assert await pull(world, f"/v2/a/b/manifests/{digest}") == (Outcome.HIT, OLD)
        world.now += 301
        world.tag("latest", NEW)
        assert (await pull(world))[1] == NEW

    told(story, tmp_path)


def test_a_hard_purge_takes_the_bytes_that_nobody_else_names(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await moved(world)
        for layer in (LAYER, SHARED):
            await fill(world, layer)
        other = world.tag("1", NEW, "c/d")
        await world.get(f"/v2/c/d/manifests/{other}")
        await fill(world, SHARED, "c/d")
        purged = await purge(world, NAME, "hard")
        assert (purged.contents, purged.shared) == (2, 1), "manifest and layer; the other layer is another's, too"
        assert purged.bytes > 0
        assert [event.cause for event in world.events if isinstance(event, EntryEvicted)] == ["purged"] * 2
        assert await world.core.store.content(parse_digest(sha256(LAYER))) is None
        assert (await world.get(f"/v2/c/d/blobs/{sha256(SHARED)}"))[0].labels.outcome is Outcome.HIT
        assert await pull(world) == (Outcome.MISS, NEW)

    told(story, tmp_path)


def test_an_older_version_is_restored_and_held_whatever_the_registry_says(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        old = await moved(world)
        world.now += 301
        assert (await pull(world))[1] == NEW
        cache = world.core.cache
        past = await cache.images.past(LATEST)
        assert [str(one.digest) for one in past] == [sha256(NEW), old]
        assert (await cache.purging.restore(LATEST, None, 3600.0)).digest == parse_digest(old)
        world.now += 3599
        assert await pull(world) == (Outcome.HIT, OLD)
        world.now += 2
        assert (await pull(world))[1] == NEW

    told(story, tmp_path)


def test_a_tag_that_was_deleted_upstream_is_restored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", OLD)
        await pull(world)
        world.hostile.on("quay.io", PATH, Answer(404))
        world.now += 301
        assert (await world.get(PATH))[0].head.status == 404
        await world.core.cache.purging.restore(LATEST, None)
        assert await pull(world) == (Outcome.HIT, OLD)

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("digest", "sentence"),
    [(None, "never meant anything else here"), (f"sha256:{'0' * 64}", "never meant sha256:000")],
)
def test_what_a_tag_never_meant_is_not_restored(digest: str | None, sentence: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", OLD)
        await pull(world)
        with pytest.raises(ValueError, match=sentence):
            await world.core.cache.purging.restore(LATEST, parse_digest(digest) if digest else None)

    told(story, tmp_path)


def test_what_was_purged_is_not_restored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        old = await moved(world)
        world.now += 301
        await pull(world)
        await world.core.store.purge(parse_digest(old))
        with pytest.raises(ValueError, match="is no longer here; pull it by digest first"):
            await world.core.cache.purging.restore(LATEST, parse_digest(old))

    told(story, tmp_path)


def test_refreshing_asks_now_and_says_what_changed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        old, new = await moved(world), sha256(NEW)
        purging = world.core.cache.purging
        found = await purging.refresh(LATEST)
        assert (str(found.before), str(found.after), found.failure) == (old, new, "")
        assert await pull(world) == (Outcome.HIT, NEW)
        world.hostile.on("quay.io", PATH, Answer(404))
        assert (await purging.refresh(LATEST)).failure == "quay.io answered 404"
        world.hostile.stop()
        assert "quay.io" in (await purging.refresh(LATEST)).failure

    told(story, tmp_path)


def test_refreshing_ends_a_hold(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        old = await moved(world)
        world.now += 301
        await pull(world)
        purging = world.core.cache.purging
        await purging.restore(LATEST, parse_digest(old))
        found = await purging.refresh(LATEST)
        assert (str(found.before), str(found.after)) == (old, sha256(NEW))
        assert await pull(world) == (Outcome.HIT, NEW)

    told(story, tmp_path)
