"""A writer: what it counts, what it promises, and how it ends."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from regproxy.model.entry import content_path
from regproxy.model.oci import Kind
from regproxy.store.eviction import Account, Disk
from regproxy.store.writer import GROWTH, MAX_PIECES, Reservation, first_step, rounded
from tests.store.opening import KIB, MIB, digest_of, limits, on_disk, opened, put, tree

BODY = bytes(range(256)) * 1000
ROOMY = Disk(10**12, 10**12)


def test_readers_see_what_is_written_while_it_grows_and_after_it_is_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(len(BODY), Kind.BLOB)
            reader = writer.open_reader()
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(reader, b"x")
            for at in range(0, len(BODY), 60_000):
                writer.write(BODY[at : at + 60_000])
                assert os.pread(reader, writer.written, 0) == BODY[: writer.written]
            await writer.commit(digest_of(BODY))
            await store.discard(digest_of(BODY))
            assert os.pread(reader, len(BODY), 0) == BODY
            os.close(reader)
            with pytest.raises(ValueError, match="closed"):
                writer.open_reader()

    asyncio.run(story())


def test_a_known_size_is_allocated_before_the_first_byte(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(MIB, Kind.BLOB)
            assert writer.path.stat().st_blocks * 512 >= MIB
            assert writer.path.stat().st_mode & 0o777 == 0o600
            assert store.usage().reserved == MIB

    asyncio.run(story())


def test_what_was_not_allocated_is_promised_until_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: None)

    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(MIB, Kind.BLOB)
            assert store._room.account.unbacked == MIB
            for _ in range(2):
                writer.write(b"x" * 256 * KIB)
            assert store._room.account.unbacked == MIB - 256 * KIB, "what the last write took is counted with the next"
            writer.abort()
            assert store._room.account.unbacked == 0

    asyncio.run(story())


def test_more_bytes_than_announced_are_refused_and_none_of_them_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(10, Kind.BLOB)
            writer.write(b"12345678")
            with pytest.raises(ValueError, match="11 bytes came where 10 were announced"):
                writer.write(b"9ab")
            assert writer.written == 8
            with pytest.raises(ValueError, match="no more bytes"):
                writer.write(b"9")
            with pytest.raises(ValueError, match="asked for"):
                await writer.commit(digest_of(b"12345678"))
            assert tree(tmp_path) == []

    asyncio.run(story())


def test_after_a_disk_error_the_readable_part_is_counted_and_nothing_can_be_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwritev
    room = [150]

    def filling(descriptor: int, pieces: list[memoryview], at: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = real(descriptor, [b"".join(pieces)[: room[0]]], at)
        room[0] -= count
        return count

    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(None, Kind.BLOB)
            reader = writer.open_reader()
            monkeypatch.setattr(os, "pwritev", filling)
            writer.write(BODY[:100])
            with pytest.raises(OSError, match="No space left"):
                writer.write(BODY[100:120], BODY[120:220], BODY[220:300])
            assert writer.written == 150
            assert os.pread(reader, 1000, 0) == BODY[:150]
            os.close(reader)
            with pytest.raises(ValueError, match="asked for"):
                await writer.commit(digest_of(BODY[:150]))
            assert (tree(tmp_path), store.usage().reserved) == ([], 0)

    asyncio.run(story())


@pytest.mark.parametrize("sizes", [[], [0], [0, 0, 5], [1, 0, 2, 3], [1] * (MAX_PIECES + 1), [16 * KIB] * 3])
def test_many_pieces_are_written_in_their_order(tmp_path: Path, sizes: list[int]) -> None:
    body = os.urandom(sum(sizes))
    starts = [sum(sizes[:number]) for number in range(len(sizes))]

    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(len(body), Kind.BLOB)
            writer.write(*(body[start : start + size] for start, size in zip(starts, sizes, strict=True)))
            await writer.commit(digest_of(body))
            assert (tmp_path / content_path(digest_of(body))).read_bytes() == body

    asyncio.run(story())


def test_abort_may_come_twice_and_after_everything_else(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(100, Kind.BLOB)
            writer.abort()
            writer.abort()
            assert (tree(tmp_path), store.usage().reserved) == ([], 0)
            with pytest.raises(ValueError, match="already"):
                await writer.commit(digest_of(b""))
            done = await store.writer(4, Kind.BLOB)
            done.write(b"done")
            await done.commit(digest_of(b"done"))
            done.abort()
            assert await store.content(digest_of(b"done")) is not None

    asyncio.run(story())


def test_abort_while_committing_does_not_take_the_file_away(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(4, Kind.BLOB)
            writer.write(b"body")
            committing = asyncio.create_task(writer.commit(digest_of(b"body")))
            await asyncio.sleep(0)
            writer.abort()
            assert (await committing).size == 4

    asyncio.run(story())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            before = descriptors()
            await put(store, BODY)
            (await store.writer(100, Kind.BLOB)).abort()
            failing = await store.writer(4, Kind.BLOB)
            with pytest.raises(ValueError, match="asked for"):
                await failing.commit(digest_of(b"body"))
            assert descriptors() == before

    asyncio.run(story())


def test_an_unknown_size_reserves_as_it_grows_and_evicts_for_it(tmp_path: Path) -> None:
    body = os.urandom(600 * KIB)

    async def story() -> None:
        async with opened(tmp_path, limits(MIB)) as store:
            for number in range(4):
                await put(store, bytes([number]) * 200 * KIB)
            writer = await store.writer(None, Kind.BLOB)
            for at in range(0, len(body), 10 * KIB):
                writer.write(body[at : at + 10 * KIB])
                assert writer.written <= store.usage().reserved <= writer.written + first_step(store.limits) + 4 * KIB
            await writer.commit(digest_of(body))
            await store.maintain()
            usage = store.usage()
            assert usage.content + usage.reserved <= MIB
            assert (usage.content, usage.reserved) == (on_disk(tmp_path), 0)
            assert await store.content(digest_of(body)) is not None

    asyncio.run(story())


def test_an_unknown_size_that_outgrows_the_whole_cache_is_refused_on_the_way(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, limits(MIB)) as store:
            writer = await store.writer(None, Kind.BLOB)
            with pytest.raises(OSError, match="do not fit") as caught:
                for _ in range(20):
                    writer.write(b"x" * 64 * KIB)
            assert caught.value.errno == errno.ENOSPC
            assert writer.written < MIB + first_step(store.limits)
            writer.abort()
            assert store.usage().reserved == 0

    asyncio.run(story())


def test_a_reservation_gives_back_exactly_what_it_took() -> None:
    account = Account(limits(MIB))
    reservation = Reservation(account, 100 * KIB)
    reservation.backed(40 * KIB)
    assert (account.reserved, account.unbacked) == (100 * KIB, 60 * KIB)
    reservation.grow(1, ROOMY)
    assert account.reserved == 100 * KIB + first_step(account.limits)
    reservation.backed(10**9)
    assert account.unbacked == 0
    reservation.release()
    reservation.release()
    reservation.backed(10**9)
    assert (account.reserved, account.unbacked) == (0, 0)


def test_sizes_are_counted_in_blocks_and_steps_follow_the_cache() -> None:
    assert [rounded(size) for size in (0, 1, 4096, 4097)] == [0, 4096, 4096, 8192]
    assert first_step(limits(2**40)) == GROWTH
    assert first_step(limits(MIB)) == 64 * KIB
