"""The index: one connection, its errors as OSError, and a damaged file moved aside."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from regproxy.store.index import DAMAGED, NAME, Index, Tables


def count(tables: Tables) -> int:
    row = tables.one("SELECT count(*) FROM granted")
    return int(row[0] or 0) if row else -1


def insert(tables: Tables, name: str) -> None:
    tables.change("INSERT INTO granted VALUES ('r.example:443', ?, 'anonymous', 1.0)", name)


def filled(directory: Path, rows: int = 2000) -> None:
    async def story() -> None:
        index = Index(directory)
        assert await index.open(check=True) is None

        def fill(tables: Tables) -> None:
            with tables.transaction():
                for number in range(rows):
                    insert(tables, f"repository-{number}")

        await index.run(fill)
        await index.close()
        assert index.sound

    asyncio.run(story())


def flip(path: Path) -> None:
    """Damage the second half of the pages: rows, not what says which tables there are."""
    body = bytearray(path.read_bytes())
    for at in range(len(body) // 8192 * 4096, len(body) - 4096, 4096):
        body[at : at + 64] = b"\xff" * 64
    path.write_bytes(body)


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 5])


@pytest.mark.parametrize("damage", [flip, garbage, cut])
def test_a_damaged_file_is_moved_aside_and_begun_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    filled(tmp_path)
    damage(tmp_path / NAME)
    (tmp_path / f"{NAME}-wal").write_bytes(b"old")

    async def story() -> None:
        index = Index(tmp_path)
        assert await index.open(check=True)
        assert await index.run(count) == 0
        await index.run(lambda tables: insert(tables, "new"))
        await index.close()
        assert index.sound
        assert (tmp_path / DAMAGED).exists()
        again = Index(tmp_path)
        assert await again.open(check=True) is None
        assert await again.run(count) == 1
        await again.close()

    asyncio.run(story())


def test_damage_met_while_running_is_an_os_error_and_remembered(tmp_path: Path) -> None:
    filled(tmp_path)
    flip(tmp_path / NAME)

    async def story() -> None:
        index = Index(tmp_path)
        assert await index.open(check=False) is None
        with pytest.raises(OSError, match=r"index failed: .*malformed") as caught:
            await index.run(lambda tables: list(tables.each("SELECT * FROM granted")))
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(tmp_path / NAME))
        await index.close()
        assert not index.sound

    asyncio.run(story())


def test_a_row_that_does_not_parse_is_damage_too(tmp_path: Path) -> None:
    async def story() -> None:
        index = Index(tmp_path)
        await index.open(check=True)
        with pytest.raises(OSError, match="is not a digest"):
            await index.run(lambda _: (_ for _ in ()).throw(ValueError("'x' is not a digest")))
        assert not index.sound
        await index.close()

    asyncio.run(story())


def test_a_full_disk_is_told_as_such_and_the_transaction_undone(tmp_path: Path) -> None:
    async def story() -> None:
        index = Index(tmp_path)
        await index.open(check=True)

        def fill(tables: Tables) -> None:
            tables.change("PRAGMA max_page_count = 1")
            with tables.transaction():
                for number in range(10_000):
                    insert(tables, f"repository-{number}")

        with pytest.raises(OSError, match="full") as caught:
            await index.run(fill)
        assert caught.value.errno == errno.ENOSPC
        assert await index.run(count) == 0
        assert index.sound
        await index.close()

    asyncio.run(story())


def test_a_file_that_another_process_holds_is_not_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, 1)
    monkeypatch.setattr("regproxy.store.index.LOCKED_FOR", 0.01)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    async def story() -> None:
        index = Index(tmp_path)
        with pytest.raises(OSError, match="locked") as caught:
            await index.open(check=True)
        assert caught.value.errno == errno.EAGAIN
        await index.close()
        assert not (tmp_path / DAMAGED).exists()
        other.execute("ROLLBACK")
        other.close()
        index = Index(tmp_path)
        await index.open(check=True)
        assert await index.run(count) == 1
        await index.close()

    asyncio.run(story())


def test_a_log_that_was_deleted_costs_only_what_it_held(tmp_path: Path) -> None:
    filled(tmp_path)

    async def story() -> None:
        index = Index(tmp_path)
        await index.open(check=True)
        await index.run(lambda tables: insert(tables, "late"))
        (tmp_path / f"{NAME}-wal").rename(tmp_path / "kept-wal")
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / NAME).write_bytes((tmp_path / NAME).read_bytes())
        other = Index(copy)
        assert await other.open(check=True) is None
        assert await other.run(count) == 2000
        await other.close()
        await index.close()

    asyncio.run(story())


def test_work_is_done_in_order_of_asking_and_never_after_closing(tmp_path: Path) -> None:
    async def story() -> None:
        index = Index(tmp_path)
        await index.open(check=True)
        seen: list[int] = []

        def note(number: int, _: Tables) -> None:
            seen.append(number)

        await asyncio.gather(*(index.run(partial(note, number)) for number in range(100)))
        assert seen == list(range(100))
        await index.close()
        with pytest.raises(OSError, match="closed"):
            await index.run(count)

    asyncio.run(story())
