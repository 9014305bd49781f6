"""The store's promises: verified before visible, whole or gone, and nothing lost that was told."""

import asyncio
import errno
import hashlib
import os
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.entry import BindingKey, Challenge, LinkKey, content_path
from regproxy.model.event import EntryEvicted, EntryStored, StoreFailed
from regproxy.model.oci import Kind, parse_digest
from regproxy.store.content import Store
from regproxy.store.rows import Changes
from tests.store.opening import KIB, MIB, Watch, digest_of, limits, on_disk, opened, put, read, tree

BODY = b"layer " * 5000
DIGEST = digest_of(BODY)


def test_content_is_visible_only_after_it_is_committed(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, watch=watch) as store:
            writer = await store.writer(len(BODY), Kind.BLOB)
            writer.write(BODY[:100])
            writer.write(BODY[100:])
            assert await store.content(DIGEST) is None
            assert not (tmp_path / content_path(DIGEST)).exists()
            stored = await writer.commit(DIGEST)
            assert (stored.digest, stored.size) == (DIGEST, len(BODY))
            assert await store.content(DIGEST) == stored
            assert read(store, DIGEST) == BODY
            assert (tmp_path / content_path(DIGEST)).stat().st_mode & 0o777 == 0o444
            assert watch.events == [EntryStored("blob", len(BODY))]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("announced", "body", "asked"),
    [
        (len(BODY), BODY[:-1] + b"!", DIGEST),
        (len(BODY), BODY[:-1], digest_of(BODY[:-1])),
        (None, BODY[:-1], DIGEST),
        (len(BODY), BODY, digest_of(BODY, "sha512")),
    ],
    ids=["another body", "too short", "cut off without a length", "another algorithm"],
)
def test_what_is_not_what_was_asked_for_leaves_no_trace(
    tmp_path: Path, announced: int | None, body: bytes, asked: object
) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, watch=watch) as store:
            writer = await store.writer(announced, Kind.BLOB)
            writer.write(body)
            wanted = parse_digest(str(asked))
            with pytest.raises(ValueError, match=str(wanted)):
                await writer.commit(wanted)
            assert await store.content(wanted) is None
            assert tree(tmp_path) == []
            assert (store.usage().content, store.usage().reserved, watch.events) == (0, 0, [])

    asyncio.run(story())


def test_sha512_is_verified_and_other_algorithms_are_not_stored(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(None, Kind.BLOB, "sha512")
            writer.write(BODY)
            await writer.commit(digest_of(BODY, "sha512"))
            assert read(store, digest_of(BODY, "sha512")) == BODY
            with pytest.raises(ValueError, match="md5"):
                await store.writer(1, Kind.BLOB, "md5")

    asyncio.run(story())


def test_the_same_content_committed_twice_at_once_is_on_disk_once(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, watch=watch) as store:
            first, second = [await store.writer(len(BODY), Kind.BLOB) for _ in range(2)]
            first.write(BODY)
            second.write(BODY)
            one, two = await asyncio.gather(first.commit(DIGEST), second.commit(DIGEST))
            assert one == two
            assert tree(tmp_path) == [content_path(DIGEST)]
            usage = store.usage()
            assert (usage.entries, usage.content, usage.reserved) == (1, on_disk(tmp_path), 0)
            assert watch.events == [EntryStored("blob", len(BODY))]

    asyncio.run(story())


def test_empty_content_is_content(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            assert (await put(store, b"")).size == 0
            found = await store.content(digest_of(b""))
            assert found is not None
            assert found.size == 0

    asyncio.run(story())


@pytest.mark.parametrize("damage", ["missing", "truncated", "symlink", "directory", "fifo"])
def test_content_whose_file_is_not_whole_is_a_miss_and_can_be_stored_again(tmp_path: Path, damage: str) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, watch=watch) as store:
            await put(store, BODY)
            path = tmp_path / content_path(DIGEST)
            path.unlink()
            match damage:
                case "truncated":
                    path.write_bytes(BODY[:-1])
                case "symlink":
                    (tmp_path / "elsewhere").write_bytes(BODY)
                    path.symlink_to(tmp_path / "elsewhere")
                case "directory":
                    path.mkdir()
                case "fifo":
                    os.mkfifo(path)
            assert await store.content(DIGEST) is None
            assert watch.events[-1] == EntryEvicted(len(BODY), "damaged")
            assert (store.usage().entries, store.usage().content) == (0, 0)
            if damage == "directory":
                with pytest.raises(IsADirectoryError):
                    await put(store, BODY)
                assert (store.usage().reserved, list((tmp_path / "tmp").iterdir())) == (0, [])
                path.rmdir()
            await put(store, BODY)
            assert read(store, DIGEST) == BODY
            assert not path.is_symlink()

    asyncio.run(story())


def test_a_reader_may_discard_what_it_found_damaged(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, watch=watch) as store:
            await put(store, BODY)
            await store.discard(DIGEST)
            await store.discard(DIGEST)
            assert await store.content(DIGEST) is None
            assert tree(tmp_path) == []
            assert watch.events[1:] == [EntryEvicted(len(BODY), "damaged")]

    asyncio.run(story())


def test_a_restart_keeps_content_rows_and_recent_uses(tmp_path: Path) -> None:
    hub, manifest = Authority("registry-1.docker.io", 443), digest_of(b"manifest")
    changes = Changes(
        granted=((hub, "library/redis", "anonymous", 5.0),),
        challenges=((hub, Challenge("bearer", "https://auth.docker.io/token", "registry.docker.io")),),
        references=((manifest, DIGEST),),
    )

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, watch=watch) as store:
            await put(store, BODY)
            await store.record(changes)
            watch.now += 60
            store.touch(DIGEST)
            before = store.usage()
        async with opened(tmp_path) as store:
            found = await store.content(DIGEST)
            assert found is not None
            assert found.last_used == watch.now
            assert store.usage() == before
            assert await store.granted_at(hub, "library/redis") == 5.0
            assert await store.challenges() == dict(changes.challenges)

    asyncio.run(story())


def test_a_closed_store_says_so_with_an_os_error(tmp_path: Path) -> None:
    key = LinkKey(Authority("r.example", 443), "a", Kind.BLOB, DIGEST)

    async def story() -> None:
        async with opened(tmp_path) as store:
            pass
        await store.close()
        for call in (
            store.content(DIGEST),
            store.link(key),
            store.writer(1, Kind.BLOB),
            store.reserve(1),
            store.maintain(),
        ):
            with pytest.raises(OSError, match="closed") as caught:
                await call
            assert caught.value.errno == errno.EBADF

    asyncio.run(story())


def test_closing_drops_what_is_unfinished_and_finishes_what_is_being_committed(tmp_path: Path) -> None:
    async def story() -> None:
        store = await Store.open(tmp_path, limits(), Watch(), lambda _: None)
        half = await store.writer(100, Kind.BLOB)
        half.write(b"half")
        whole = await store.writer(len(BODY), Kind.BLOB)
        whole.write(BODY)
        committing = asyncio.create_task(whole.commit(DIGEST))
        await asyncio.sleep(0)
        await store.close()
        assert (await committing).digest == DIGEST
        assert tree(tmp_path) == [content_path(DIGEST)]
        half.abort()

    asyncio.run(story())


def test_a_cancelled_commit_still_keeps_the_verified_bytes(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(len(BODY), Kind.BLOB)
            writer.write(BODY)
            committing = asyncio.create_task(writer.commit(DIGEST))
            await asyncio.sleep(0)
            committing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await committing
        async with opened(tmp_path) as store:
            assert await store.content(DIGEST) is not None
            assert store.usage().content == on_disk(tmp_path)

    asyncio.run(story())


def test_a_cancelled_request_for_a_writer_leaves_nothing_promised(tmp_path: Path) -> None:
    async def story() -> None:
        store = await Store.open(tmp_path, limits(), Watch(), lambda _: None)
        asking = asyncio.create_task(store.writer(MIB, Kind.BLOB))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await store._work.drain()
        assert store.usage().reserved == 0
        assert tree(tmp_path) == []
        await store.close()

    asyncio.run(story())


def test_a_disk_that_fails_to_sync_stores_nothing_and_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def broken(descriptor: int) -> None:
        asked.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def story() -> None:
        async with opened(tmp_path) as store:
            writer = await store.writer(len(BODY), Kind.BLOB)
            writer.write(BODY)
            monkeypatch.setattr(os, "fdatasync", broken)
            with pytest.raises(OSError, match="Input/output"):
                await writer.commit(DIGEST)
            assert len(asked) == 1
            assert (tree(tmp_path), store.usage().reserved, store.usage().content) == ([], 0, 0)
            assert await store.content(DIGEST) is None

    asyncio.run(story())


def test_a_slow_disk_does_not_hold_up_look_ups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        loop, syncing, go = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def slow(_: int) -> None:
            loop.call_soon_threadsafe(syncing.set)
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result(30)

        async with opened(tmp_path) as store:
            await put(store, b"warm")
            writer = await store.writer(len(BODY), Kind.BLOB)
            writer.write(BODY)
            monkeypatch.setattr(os, "fdatasync", slow)
            committing = asyncio.create_task(writer.commit(DIGEST))
            await syncing.wait()
            assert await store.content(digest_of(b"warm")) is not None
            assert await store.binding(BindingKey(Authority("r.example", 443), "a", "b")) is None
            assert not committing.done()
            go.set()
            await committing

    asyncio.run(story())


def test_after_an_index_was_damaged_content_is_read_again_and_kept(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path) as store:
            await put(store, BODY)
            await put(store, b"flipped")
        (tmp_path / "meta.sqlite").write_bytes(b"this is no database" * 1000)
        flipped = tmp_path / content_path(digest_of(b"flipped"))
        flipped.chmod(0o644)
        flipped.write_bytes(b"Flipped")
        async with opened(tmp_path, watch=watch) as store:
            assert await store.content(DIGEST) is not None
            assert await store.content(digest_of(b"flipped")) is None
            assert not flipped.exists()
            assert store.usage().content == on_disk(tmp_path)
            await put(store, b"new")
        failed = watch.events[0]
        assert isinstance(failed, StoreFailed)
        assert "meta.sqlite.damaged" in failed.error
        assert (tmp_path / "meta.sqlite.damaged").exists()

    asyncio.run(story())


def test_re_reading_is_bounded_and_goes_on_with_maintenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [os.urandom(64 * KIB) for _ in range(5)]
    monkeypatch.setattr("regproxy.store.upkeep.VERIFIED_AT_ONCE", 100 * KIB)

    async def known(store: Store) -> int:
        return len([body for body in bodies if await store.content(digest_of(body))])

    async def story() -> None:
        async with opened(tmp_path) as store:
            for body in bodies:
                await put(store, body)
        for name in ("meta.sqlite", "CLEAN"):
            (tmp_path / name).unlink()
        async with opened(tmp_path) as store:
            assert await known(store) == 2
            assert store.usage().content == on_disk(tmp_path)
            for body in bodies:
                await put(store, body)
            assert store.usage().content == on_disk(tmp_path)
            assert await known(store) == 5
        (tmp_path / "meta.sqlite").unlink()
        async with opened(tmp_path) as store:
            await store.maintain()
            assert await known(store) == 4
            await store.maintain()
            assert await known(store) == 5

    asyncio.run(story())


def test_content_holds_what_its_name_says_after_many_concurrent_writers(tmp_path: Path) -> None:
    async def one(store: Store, number: int) -> None:
        body = hashlib.sha256(str(number % 7).encode()).digest() * (number % 7 + 1) * 300
        writer = await store.writer(len(body) if number % 2 else None, Kind.BLOB)
        for at in range(0, len(body), 1000):
            writer.write(body[at : at + 1000])
            await asyncio.sleep(0)
        if number % 5 == 0:
            writer.abort()
        else:
            await writer.commit(digest_of(body))

    async def story() -> None:
        async with opened(tmp_path) as store:
            await asyncio.gather(*(one(store, number) for number in range(60)))
            usage = store.usage()
            assert (usage.entries, usage.reserved, usage.content) == (7, 0, on_disk(tmp_path))
            for path in tree(tmp_path):
                body = (tmp_path / path).read_bytes()
                assert path == content_path(digest_of(body))

    asyncio.run(story())
