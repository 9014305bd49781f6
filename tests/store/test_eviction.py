"""What must leave: the arithmetic of the account, and the order of leaving."""

import asyncio
import errno
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.model.entry import CacheLimits
from regproxy.model.event import EntryEvicted
from regproxy.model.oci import Digest, Kind
from regproxy.store.choosing import BATCH
from regproxy.store.eviction import Account, Disk, Shortfall, disk
from regproxy.store.files import Removed
from regproxy.store.writer import Reservation, Writer
from tests.store.opening import KIB, MIB, Watch, digest_of, limits, on_disk, opened, put, tree

ROOMY = Disk(10**12, 10**12)


def account(limit: CacheLimits, content: int = 0, reserved: int = 0) -> Account:
    made = Account(limit)
    if content:
        made.added(content)
    if reserved:
        Reservation(made, reserved).backed(reserved)
    return made


@pytest.mark.parametrize(
    ("state", "size", "on", "short"),
    [
        (account(CacheLimits(100, 0, 0, 0), 60, 20), 20, ROOMY, Shortfall(0, "size")),
        (account(CacheLimits(100, 0, 0, 0), 60, 20), 30, ROOMY, Shortfall(10, "size")),
        (account(CacheLimits(100, 0, 0, 0), 120), 0, ROOMY, Shortfall(20, "size")),
        (account(CacheLimits(100, 0, 30, 0), 60), 10, Disk(1000, 35), Shortfall(5, "min-free")),
        (account(CacheLimits(100, 0, 0, 0.1), 60), 0, Disk(1000, 70), Shortfall(30, "min-free")),
        (account(CacheLimits(100, 0, 200, 0.1), 60), 0, Disk(1000, 70), Shortfall(130, "min-free")),
        (account(CacheLimits(100, 0, 70, 0), 90), 20, Disk(1000, 95), Shortfall(10, "size")),
    ],
)
def test_the_larger_of_two_shortages_decides(state: Account, size: int, on: Disk, short: Shortfall) -> None:
    assert state.shortfall(size, on) == short


@pytest.mark.parametrize(
    ("state", "size", "on", "words"),
    [
        (account(CacheLimits(100, 0, 0, 0), 60), 101, ROOMY, "101 bytes do not fit into a cache of 100"),
        (account(CacheLimits(100, 0, 0, 0), 60, 40), 61, ROOMY, "with 40 promised"),
        (account(CacheLimits(100, 0, 50, 0), 10), 1, Disk(1000, 40), "40 bytes free and `min-free` keeps 50"),
    ],
)
def test_what_no_eviction_can_make_room_for_is_refused_at_once(state: Account, size: int, on: Disk, words: str) -> None:
    with pytest.raises(OSError, match=words) as caught:
        state.shortfall(size, on)
    assert caught.value.errno == errno.ENOSPC


def test_bytes_promised_but_not_yet_on_the_disk_count_against_free_space() -> None:
    state = Account(CacheLimits(1000, 0, 0, 0))
    first = Reservation(state, 80)
    with pytest.raises(OSError, match="bytes free"):
        state.shortfall(80, Disk(1000, 100))
    first.backed(80)
    assert state.shortfall(20, Disk(1000, 20)) == Shortfall(0, "min-free")


def test_the_account_is_what_came_minus_what_left() -> None:
    state = account(limits(1000), 300)
    state.added(50)
    state.removed((Removed(Digest("sha256", "0"), 1, 300),))
    assert (state.usage().content, state.usage().entries, state.usage().limit) == (50, 1, 1000)


def test_a_disk_is_told_as_the_system_tells_it(tmp_path: Path) -> None:
    told = disk(tmp_path)
    assert 0 < told.free < told.total


def test_the_least_recently_used_leaves_first_and_a_use_counts_at_once(tmp_path: Path) -> None:
    bodies = [bytes([number]) * 100 * KIB for number in range(10)]

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(1000 * KIB), watch) as store:
            for body in bodies:
                watch.now += 1
                await put(store, body)
            watch.now += 1
            store.touch(digest_of(bodies[0]))
            watch.events.clear()
            await put(store, b"n" * 150 * KIB)
            left = [await store.content(digest_of(body)) is None for body in bodies]
            assert left == [False, True, True] + [False] * 7
            assert watch.events[:2] == [EntryEvicted(100 * KIB, "size")] * 2
            assert store.usage().content == on_disk(tmp_path)

    asyncio.run(story())


def test_one_pass_evicts_at_most_one_batch_of_what_nobody_uses(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(64 * MIB, inactive=3600.0), watch) as store:
            for number in range(BATCH + 2):
                await put(store, b"%d" % number)
            watch.now += 3601
            await put(store, b"young")
            await store.maintain()
            assert len(tree(tmp_path)) == 3
            assert watch.events[-1] == EntryEvicted(3, "inactive")
            await store.maintain()
            assert tree(tmp_path) == [f"blobs/sha256/{digest_of(b'young').encoded[:2]}/{digest_of(b'young').encoded}"]

    asyncio.run(story())


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(["put", "begin", "commit", "abort", "use", "discard", "limit"]), st.integers(0, 11)),
    max_size=40,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(steps)
def test_the_account_is_exact_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, story_steps: list[Step]
) -> None:
    """Size limit kept, counts equal to the disk, no promise left over, and only true names."""
    tmp_path = tmp_path_factory.mktemp("store")
    bodies = [bytes([number + 1]) * (number * 7 * KIB + 1) for number in range(12)]

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(256 * KIB), watch) as store:
            writers: list[tuple[Writer, bytes]] = []
            for step, number in story_steps:
                watch.now += 1
                body = bodies[number]
                match step:
                    case "put":
                        await put(store, body)
                    case "begin" if len(writers) < 2:
                        writer = await store.writer(len(body), Kind.BLOB)
                        writer.write(body)
                        writers.append((writer, body))
                    case "commit" if writers:
                        writer, body = writers.pop(0)
                        await writer.commit(digest_of(body))
                    case "abort" if writers:
                        writers.pop()[0].abort()
                    case "use":
                        store.touch(digest_of(body))
                    case "discard":
                        await store.discard(digest_of(body))
                    case "limit":
                        store.limits = limits(256 * KIB + number * 16 * KIB)
                        await store.maintain()
                usage = store.usage()
                assert usage.content == on_disk(tmp_path)
                assert usage.content + usage.reserved <= store.limits.size
            for writer, _ in writers:
                writer.abort()
            assert store.usage().reserved == 0
            names = [path.rpartition("/")[2] for path in tree(tmp_path)]
            assert len(names) == store.usage().entries
            known = {digest_of(body).encoded for body in bodies}
            assert set(names) <= known

    asyncio.run(story())
