"""Who leaves: small objects have a pool of their own, layers prove themselves, and a served image stays whole."""

import asyncio
import errno
from pathlib import Path
from typing import Literal

import pytest

from regproxy.model.event import EntryEvicted
from regproxy.store.choosing import LEASE, MAX_LOOKED, choose
from regproxy.store.content import Store
from regproxy.store.pools import LEASED, MAIN, PROBATION, SMALL, totals
from regproxy.store.rows import Changes
from tests.store.opening import KIB, MIB, Watch, digest_of, limits, on_disk, opened, put

# On the disk a layer takes 2 MiB less 4 KiB, so that four of them fit into 8 MiB and five do not.
LAYERS = [bytes([number]) * (2 * MIB - 4 * KIB) for number in range(16)]
NAMES = "abcdefghijklmnop"
EIGHT = limits(8 * MIB)


async def store_layers(store: Store, names: str) -> None:
    for name in names:
        await put(store, LAYERS[NAMES.index(name)])


def use(store: Store, watch: Watch, names: str) -> None:
    watch.now += 1
    for name in names:
        store.touch(digest_of(LAYERS[NAMES.index(name)]))


async def here(store: Store) -> str:
    known = [await store.content(digest_of(body)) is not None for body in LAYERS]
    return "".join(name for name, found in zip(NAMES, known, strict=True) if found)


@pytest.mark.parametrize(
    ("rule", "story", "left"),
    [
        ("s3fifo", "+abcde", "bcde"),
        ("lru", "+abcde", "bcde"),
        # A layer in demand stays while others pass through; to the least recently used rule a scan looks like demand.
        ("s3fifo", "+abcd !a +efghij", "ahij"),
        ("lru", "+abcd !a +efghij", "ghij"),
        # Who comes back is known, and does not start again: the next one on probation leaves before it.
        ("s3fifo", "+abcdea +fghi", "aghi"),
        # In the main queue each use is worth one more round.
        ("s3fifo", "+abcd !abcd +e !abcde +f", "bcdf"),
        ("lru", "+abcd !a +ef", "adef"),
    ],
)
def test_the_rule_of_the_policy_says_which_layer_leaves(
    tmp_path: Path, rule: Literal["lru", "s3fifo"], story: str, left: str
) -> None:
    async def told() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB, evict=rule), watch) as store:
            for step in story.split():
                for name in step[1:] if step[0] == "+" else [step[1:]]:
                    watch.now += 1
                    if step[0] == "+":
                        await store_layers(store, name)
                    else:
                        use(store, watch, name)
            assert await here(store) == left
            assert store.usage().content == on_disk(tmp_path)

    asyncio.run(told())


@pytest.mark.parametrize("rule", ["lru", "s3fifo"])
def test_layers_do_not_push_out_small_objects(tmp_path: Path, rule: Literal["lru", "s3fifo"]) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB, evict=rule), watch) as store:
            for number in range(50):
                await put(store, b"manifest %d" % number)
            watch.now += 10 * LEASE
            await store_layers(store, NAMES)
            small, *_ = await store._index.run(totals)
            assert small.entries == 50

    asyncio.run(story())


def test_small_objects_beyond_their_share_leave_before_layers_do(tmp_path: Path) -> None:
    """Half of a small cache is theirs; the least recently used of them pays for what comes."""

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, EIGHT, watch) as store:
            small = [bytes([number]) * 512 * KIB for number in range(10)]
            for body in small:
                watch.now += 1
                await put(store, body)
            await store_layers(store, "ab")
            assert await here(store) == "ab"
            known = [await store.content(digest_of(body)) is not None for body in small]
            assert known == [False] * 2 + [True] * 8

    asyncio.run(story())


async def image(store: Store, manifest: bytes, names: str) -> None:
    """Store a manifest and what it says that it refers to."""
    await put(store, manifest)
    pairs = ((digest_of(manifest), digest_of(LAYERS[NAMES.index(name)])) for name in names)
    await store.record(Changes(references=tuple(pairs)))


@pytest.mark.parametrize("rule", ["lru", "s3fifo"])
def test_what_a_served_manifest_refers_to_stays_until_the_lease_ends(
    tmp_path: Path, rule: Literal["lru", "s3fifo"]
) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB + 64 * KIB, evict=rule), watch) as store:
            await store_layers(store, "ab")
            await image(store, b"manifest", "ab")
            watch.now += 5 * LEASE
            store.touch(digest_of(b"manifest"))
            watch.now += LEASE - 1
            await store_layers(store, "cdefg")
            assert await here(store) == "abfg"
            watch.now += 2
            await store_layers(store, "hijk")
            assert (await store._index.run(totals))[LEASED].entries == 0
            # To S3-FIFO an image that is asked for has proved itself; its layers leave once the main queue must give.
            assert await here(store) == ("hijk" if rule == "lru" else "abjk")

    asyncio.run(story())


def test_where_all_is_leased_nothing_leaves_and_what_comes_is_refused_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB + 64 * KIB), watch) as store:
            await store_layers(store, "abcd")
            await image(store, b"manifest", "abcd")
            watch.events.clear()
            for _ in range(2):
                with pytest.raises(OSError, match="images that were just served") as caught:
                    await store_layers(store, "e")
                assert caught.value.errno == errno.ENOSPC
            assert watch.events == []
            assert (await store._index.run(totals))[LEASED].entries == 5
            assert store.usage().reserved == 0
            watch.now += LEASE + 1
            await store_layers(store, "e")
            assert len(await here(store)) == 4

    asyncio.run(story())


def test_a_lease_that_ended_leads_back_into_the_queue(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB + 64 * KIB), watch) as store:
            await store_layers(store, "abcd")
            await image(store, b"manifest", "ab")
            await store_layers(store, "e")
            assert (await store._index.run(totals))[LEASED].entries == 2
            watch.now += LEASE + 1
            await store_layers(store, "fghi")
            by_pool = await store._index.run(totals)
            assert [by_pool[pool].entries for pool in (SMALL, PROBATION, MAIN, LEASED)] == [1, 2, 2, 0]
            assert await here(store) == "abhi"

    asyncio.run(story())


def test_one_piece_of_work_looks_at_a_bounded_number_of_rows_and_the_next_goes_on_behind_them(tmp_path: Path) -> None:
    """Ever so many leased objects stand before the one that may leave."""

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(), watch) as store:
            leased = [b"%d" % number for number in range(MAX_LOOKED + 10)]
            for body in leased:
                await put(store, body)
            watch.now += 10 * LEASE
            await put(store, b"manifest")
            await put(store, b"free")
            await store.record(Changes(references=tuple((digest_of(b"manifest"), digest_of(body)) for body in leased)))
            watch.now += 1
            watch.events.clear()
            store.limits = limits(store.usage().content - 1)
            await store.maintain()
            assert watch.events == [EntryEvicted(4, "size")]
            assert await store.content(digest_of(b"free")) is None

    asyncio.run(story())


@pytest.mark.parametrize("rule", ["lru", "s3fifo"])
def test_a_lease_that_ends_this_very_second_sets_nothing_aside_for_no_time(
    tmp_path: Path, rule: Literal["lru", "s3fifo"]
) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(8 * MIB + 64 * KIB, evict=rule), watch) as store:
            await store_layers(store, "abcd")
            await image(store, b"manifest", "abcd")
            watch.now += LEASE
            choice = await store._index.run(lambda tables: choose(tables, MIB, store.limits, watch.now))
            assert (len(choice.gone), choice.kept) == (1, [])

    asyncio.run(story())


def test_a_clock_that_was_set_back_ends_leases_instead_of_keeping_them_for_years(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch(now=5e9)
        async with opened(tmp_path, limits(8 * MIB + 64 * KIB, evict="lru"), watch) as store:
            await store_layers(store, "ab")
            await image(store, b"manifest", "ab")
            await store_layers(store, "cde")
            assert (await store._index.run(totals))[LEASED].entries == 2
            watch.now = 1e9
            await store_layers(store, "fghi")
            assert (await store._index.run(totals))[LEASED].entries == 0

    asyncio.run(story())


def test_what_was_leased_is_forgotten_in_its_time_where_the_cache_never_fills(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(64 * MIB, inactive=LEASE / 2), watch) as store:
            await store_layers(store, "a")
            await image(store, b"manifest", "a")
            watch.now += LEASE - 1
            await store.maintain()
            assert (await store._index.run(totals))[LEASED].entries == 2
            for _ in range(3):
                watch.now += LEASE
                await store.maintain()
            assert store.usage().entries == 0

    asyncio.run(story())
