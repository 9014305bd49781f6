"""Making room: for one at a time, no more than needed, and never by what is still being written."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from regproxy.model.entry import content_path
from regproxy.model.event import EntryEvicted, StoreFailed
from regproxy.model.oci import Kind
from regproxy.store import files, room
from regproxy.store.eviction import Disk
from tests.store.opening import KIB, MIB, Watch, digest_of, limits, on_disk, opened, put, tree


def test_concurrent_requests_for_room_evict_only_what_they_need(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(MIB), watch) as store:
            for number in range(10):
                await put(store, bytes([number]) * 100 * KIB)
            promises = await asyncio.gather(*(store.reserve(100 * KIB) for _ in range(5)))
            usage = store.usage()
            assert (usage.entries, usage.reserved) == (5, 500 * KIB)
            assert usage.content + usage.reserved <= MIB
            for promise in promises:
                promise.release()

    asyncio.run(story())


def test_what_is_larger_than_the_cache_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, limits(MIB)) as store:
            await put(store, b"kept")
            with pytest.raises(OSError, match="do not fit") as caught:
                await store.writer(2 * MIB, Kind.BLOB)
            assert caught.value.errno == errno.ENOSPC
            assert tree(tmp_path) == [content_path(digest_of(b"kept"))]

    asyncio.run(story())


def test_promised_room_is_not_given_away_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, limits(MIB)) as store:
            promise = await store.reserve(700 * KIB)
            with pytest.raises(OSError, match="promised"):
                await store.reserve(700 * KIB)
            promise.release()
            (await store.reserve(700 * KIB)).release()

    asyncio.run(story())


def test_a_reader_keeps_what_is_evicted_under_it(tmp_path: Path) -> None:
    body = os.urandom(600 * KIB)

    async def story() -> None:
        async with opened(tmp_path, limits(MIB)) as store:
            await put(store, body)
            reader = os.open(tmp_path / content_path(digest_of(body)), os.O_RDONLY)
            await put(store, b"n" * 600 * KIB)
            assert await store.content(digest_of(body)) is None
            assert os.pread(reader, len(body), 0) == body
            os.close(reader)

    asyncio.run(story())


def test_free_space_that_readers_hold_does_not_cost_more_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk says 50 KiB too little, and goes on saying so after eviction."""
    monkeypatch.setattr(room, "disk", lambda _: Disk(10 * MIB, 250 * KIB))

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(MIB), watch) as store:
            for number in range(5):
                await put(store, bytes([number]) * 100 * KIB)
            store.limits = limits(MIB, min_free=200 * KIB)
            watch.events.clear()
            (await store.reserve(100 * KIB)).release()
            assert watch.events == [EntryEvicted(100 * KIB, "min-free")]

    asyncio.run(story())


def test_a_full_disk_on_which_no_use_can_be_written_down_gets_room_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(MIB), watch) as store:
            for number in range(10):
                await put(store, bytes([number]) * 100 * KIB)
            monkeypatch.setattr(files, "mark_used", full)
            watch.now += 1
            store.touch(digest_of(bytes([0]) * 100 * KIB))
            (await store.reserve(300 * KIB)).release()
            assert store.usage().entries == 7
            store.touch(digest_of(bytes([9]) * 100 * KIB))
            store.limits = limits(250 * KIB)
            await store.maintain()
            assert store.usage().entries == 2
            assert [event.operation for event in watch.events if isinstance(event, StoreFailed)] == ["touch"] * 2

    asyncio.run(story())


def test_a_lower_limit_counts_at_the_next_pass(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(MIB), watch) as store:
            for number in range(8):
                watch.now += 1
                await put(store, bytes([number]) * 100 * KIB)
            store.limits = limits(250 * KIB)
            assert store.usage().limit == 250 * KIB
            await store.maintain()
            assert store.usage().content == on_disk(tmp_path) == 200 * KIB
            assert await store.content(digest_of(bytes([7]) * 100 * KIB)) is not None

    asyncio.run(story())
