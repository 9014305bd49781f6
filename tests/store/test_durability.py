"""Durability: what is on the disk when content counts as stored, and what a start makes of the rest."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from regproxy.model.entry import Durability, content_path
from regproxy.model.event import EntryEvicted, Event
from regproxy.store import files
from regproxy.store.index import Tables
from tests.store.opening import Watch, digest_of, limits, opened, put

BODY = b"content " * 1000


def synchronous(tables: Tables) -> object:
    return (tables.one("PRAGMA synchronous") or (None,))[0]


@pytest.mark.parametrize(
    ("durability", "calls", "mode"),
    [("full", ["fdatasync", "fsync", "fsync"], 2), ("data", ["fdatasync"], 1), ("none", [], 1)],
)
def test_what_is_synced_before_content_counts_as_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability, calls: list[str], mode: int
) -> None:
    seen: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def noting(descriptor: int) -> None:
            seen.append(name)
            real(descriptor)

        monkeypatch.setattr(os, name, noting)

    async def story() -> None:
        async with opened(tmp_path) as store:
            store.limits = limits(durability=durability)
            noted("fdatasync")
            noted("fsync")
            await put(store, BODY)
            assert seen == calls
            assert await store.content(digest_of(BODY)) is not None
            assert await store._index.run(synchronous) == mode

    asyncio.run(story())


@pytest.mark.parametrize(("maintained", "events"), [(False, [EntryEvicted(len(BODY), "damaged")]), (True, [])])
def test_without_durability_what_an_unclean_stop_leaves_is_read_before_it_is_served(
    tmp_path: Path, maintained: bool, events: list[Event]
) -> None:
    """The bytes never reached the disk; once maintenance brought them there they are not read again."""
    watch = Watch()

    async def lives() -> None:
        async with opened(tmp_path, limits(durability="none")) as store:
            await put(store, BODY)
            if maintained:
                await store.maintain()
            path = tmp_path / content_path(digest_of(BODY))
            path.chmod(0o600)
            path.write_bytes(bytes(len(BODY)))
            copy = tmp_path / "after"
            copy.mkdir()
            for name in ("VERSION", "meta.sqlite", "meta.sqlite-wal"):
                (copy / name).write_bytes((tmp_path / name).read_bytes())
            (tmp_path / "blobs").rename(copy / "blobs")
        async with opened(copy, watch=watch) as store:
            assert (await store.content(digest_of(BODY)) is not None) is maintained

    asyncio.run(lives())
    assert watch.events == events


def test_what_the_disk_refuses_later_is_dropped_and_never_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(durability="none"), watch) as store:
            await put(store, BODY)
            monkeypatch.setattr(os, "fdatasync", fail)
            await store.maintain()
            assert await store.content(digest_of(BODY)) is None
            assert watch.events[-1] == EntryEvicted(len(BODY), "damaged")
            assert store.usage().content == 0

    asyncio.run(story())


def test_a_clean_stop_brings_everything_to_the_disk(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, limits(durability="none")) as store:
            for number in range(300):
                await put(store, b"%d" % number)
        async with opened(tmp_path) as store:
            assert await store._index.run(lambda tables: files.unsynced(tables, 1)) == ()

    asyncio.run(story())
