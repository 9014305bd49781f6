"""How long content is kept, as tiers say: what is kept briefly leaves first, what is pinned last, and within bounds."""

import asyncio
import errno
from pathlib import Path
from typing import Literal

import pytest

from regproxy.model.decision import Keep
from regproxy.model.oci import Kind
from regproxy.store.choosing import LEASE
from regproxy.store.content import Store
from regproxy.store.pools import BRIEF, LEASED, PINNED, SMALL, totals
from regproxy.store.rows import Changes
from tests.store.opening import MIB, Watch, digest_of, limits, on_disk, opened, put
from tests.store.test_choosing import EIGHT, LAYERS, NAMES, here, store_layers

KEEPS: dict[str, Keep] = {"~": "briefly", "=": "normal", "^": "pinned"}


def layer(name: str) -> bytes:
    return LAYERS[NAMES.index(name)]


async def tell(store: Store, watch: Watch, story: str) -> None:
    """`+a`: a comes; `^a`, `=a`, `~a`: it is used by a tier that keeps it so."""
    for step in story.split():
        for name in step[1:]:
            watch.now += 1
            if step[0] == "+":
                await store_layers(store, name)
            else:
                store.touch(digest_of(layer(name)), KEEPS[step[0]])


@pytest.mark.parametrize("rule", ["lru", "s3fifo"])
@pytest.mark.parametrize(
    ("story", "left"),
    [
        # Four fit: what is kept briefly leaves before what came and was used before it.
        ("+abcd ~d +e", "abce"),
        ("+abcd ~cd +ef", "abef"),
        # What is pinned stays while others come and go.
        ("+abcd ^a +efghij", "ahij"),
        ("+ab ^ab +cdefgh", "abgh"),
        # Of what several tiers say the longest counts, whoever said it first.
        ("+abcd ~d =d ~d +e", "bcde"),
        ("+abcd ^a ~a +efg", "aefg"),
    ],
)
def test_what_tiers_say_decides_who_leaves(
    tmp_path: Path, rule: Literal["lru", "s3fifo"], story: str, left: str
) -> None:
    async def told() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB, evict=rule), watch) as store:
            await tell(store, watch, story)
            assert await here(store) == left
            assert store.usage().content == on_disk(tmp_path)

    asyncio.run(told())


@pytest.mark.parametrize(("story", "left"), [("+abcd ^abc +efgh", "bcgh"), ("+abcd ^abcd +e ^e +f", "cdef")])
def test_beyond_half_of_the_cache_what_was_used_longest_ago_is_pinned_no_longer(
    tmp_path: Path, story: str, left: str
) -> None:
    async def told() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB, evict="lru"), watch) as store:
            await tell(store, watch, story)
            assert await here(store) == left
            pinned = (await store._index.run(totals))[PINNED]
            assert pinned.entries <= 3, "half of the cache, and what came since"
            assert (await store.measure()).pinned == pinned.allocated > 0

    asyncio.run(told())


def test_what_is_pinned_makes_room_where_nothing_else_can(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, EIGHT, watch) as store:
            await tell(store, watch, "+ab ^ab")
            writer = await store.writer(7 * MIB, Kind.BLOB)
            writer.abort()
            assert await here(store) == ""

    asyncio.run(story())


def test_what_is_pinned_is_forgotten_with_the_rest_when_nobody_uses_it(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB, inactive=1000.0), watch) as store:
            await tell(store, watch, "+abc ^a ~b")
            watch.now += 500
            await tell(store, watch, "^a")
            watch.now += 600
            await store.maintain()
            assert await here(store) == "a"
            watch.now += 1001
            await store.maintain()
            assert await here(store) == ""

    asyncio.run(story())


def test_what_a_served_manifest_refers_to_comes_home_to_its_pool(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, EIGHT, watch) as store:
            manifest = b"manifest"
            await put(store, manifest)
            await tell(store, watch, "+abc ~a")
            await store.record(Changes(references=((digest_of(manifest), digest_of(layer("a"))),)))
            watch.now += 1
            store.touch(digest_of(manifest))
            await tell(store, watch, "+d +e")
            pools = await store._index.run(totals)
            assert (pools[LEASED].entries, pools[BRIEF].entries) == (1, 0)
            assert "a" in await here(store)
            watch.now += LEASE + 2
            await tell(store, watch, "+f +g")
            assert "a" not in await here(store), "its lease is over, and it is kept briefly"

    asyncio.run(story())


def test_small_objects_are_pinned_and_kept_briefly_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, EIGHT, watch) as store:
            for body, keep in ((b"one", "pinned"), (b"two", "briefly"), (b"three", "normal")):
                await put(store, body)
                store.keep(digest_of(body), keep)  # type: ignore[arg-type]
            await store.maintain()
            pools = await store._index.run(totals)
            assert [pools[pool].entries for pool in (SMALL, BRIEF, PINNED)] == [1, 1, 1]
            await tell(store, watch, "+abcde")
            kept = [await store.content(digest_of(body)) is not None for body in (b"one", b"two", b"three")]
            assert kept == [True, False, True]

    asyncio.run(story())


def test_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, EIGHT, watch) as store:
            await tell(store, watch, "+abcd ^a")
        async with opened(tmp_path, EIGHT, watch) as store:
            await tell(store, watch, "+efgh")
            assert "a" in await here(store)

    asyncio.run(story())


def test_a_cache_that_has_no_room_for_it_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, EIGHT, watch) as store:
            await tell(store, watch, "+ab ^ab")
            with pytest.raises(OSError, match="do not fit") as refused:
                await store.writer(9 * MIB, Kind.BLOB)
            assert refused.value.errno == errno.ENOSPC
            assert await here(store) == "ab"

    asyncio.run(story())
