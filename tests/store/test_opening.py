"""A start on a large cache: what it does is bounded by folders, not by entries."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from regproxy.model.entry import Content, content_path
from regproxy.model.oci import Digest
from regproxy.store.index import Tables
from regproxy.store.pools import enter
from tests.store.opening import digest_of, opened

ENTRIES = 20_000
FOLDERS = 512  # of sha256 and sha512


def large(directory: Path, entries: int) -> list[Digest]:
    """A cache with so many empty files and their rows, stopped cleanly."""
    digests = [digest_of(b"%d" % number) for number in range(entries)]

    def rows(tables: Tables) -> None:
        with tables.transaction():
            for digest in digests:
                enter(tables, Content(digest, 0, 0, 1.0), 1)

    async def story() -> None:
        async with opened(directory) as store:
            await store._index.run(rows)

    asyncio.run(story())
    for number in range(256):
        (directory / "blobs" / "sha256" / f"{number:02x}").mkdir(parents=True)
    for digest in digests:
        (directory / content_path(digest)).touch()
    return digests


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How often a start asks the index and the file system."""
    counts = {"statements": 0, "scandir": 0, "lstat": 0}

    def count(owner: object, name: str, key: str) -> None:
        real = getattr(owner, name)

        def counting(*arguments: object, **named: object) -> object:
            counts[key] += 1
            return real(*arguments, **named)

        patch.setattr(owner, name, counting)

    with monkeypatch.context() as patch:
        for method in ("one", "each", "change"):
            count(Tables, method, "statements")
        count(os, "scandir", "scandir")
        count(os, "lstat", "lstat")
        yield counts


def test_a_clean_start_asks_a_few_questions_however_much_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(tmp_path, ENTRIES)

    async def story() -> None:
        with counted(monkeypatch) as counts:
            async with opened(tmp_path) as store:
                assert store.usage().entries == ENTRIES
                assert counts["statements"] < 20
                assert counts["scandir"] < 5
                assert counts["lstat"] < 5

    asyncio.run(story())


def test_an_unclean_start_asks_once_for_each_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = large(tmp_path, ENTRIES)
    (tmp_path / "CLEAN").unlink()
    lost, found = digests[:3], digest_of(b"found")
    for digest in lost:
        (tmp_path / content_path(digest)).unlink()
    place = tmp_path / content_path(found)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"found")

    async def story() -> None:
        with counted(monkeypatch) as counts:
            async with opened(tmp_path) as store:
                assert store.usage().entries == ENTRIES - 2
                assert counts["statements"] < FOLDERS + 50
                assert counts["scandir"] < FOLDERS + 5
                assert counts["lstat"] < 5, "one of them of the file without a row"
                assert await store.content(found) is not None

    asyncio.run(story())
