"""Content as a file and its row, step by step on real files and a real index; the full disk among them."""

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from regproxy.model.entry import content_path
from regproxy.store import files
from regproxy.store.index import Tables
from tests.store.opening import KIB, digest_of, opened, put, tree

ROOT = Path(__file__).parents[2]
BODY = b"content " * 1000
DIGEST = digest_of(BODY)

# A file system of 8 MiB (and 64 files): it fills up where files are allocated, written, and indexed.
FULL = """
import asyncio, errno, os, pathlib, sys
from regproxy.model.oci import Kind
from tests.store.opening import KIB, MIB, digest_of, limits, on_disk, opened, put, tree

async def story(root):
    async with opened(root, limits(64 * MIB)) as store:
        await put(store, b"kept")
        try:
            await store.writer(20 * MIB, Kind.BLOB)
        except OSError as error:
            print("announced", errno.errorcode[error.errno])
        writer = await store.writer(None, Kind.BLOB)
        reader = writer.open_reader()
        try:
            for _ in range(400):
                writer.write(b"x" * 64 * KIB)
        except OSError as error:
            print("growing", errno.errorcode[error.errno])
        print("readable", writer.written > 0 and os.pread(reader, 1, writer.written - 1) == b"x")
        writer.abort()
        os.close(reader)
        try:
            for number in range(100):
                await put(store, b"%d" % number)
        except OSError as error:
            print("inodes", errno.errorcode[error.errno])
        print("kept", await store.content(digest_of(b"kept")) is not None)
        print("exact", store.usage().content == on_disk(root), store.usage().reserved, list((root / "tmp").iterdir()))

asyncio.run(story(pathlib.Path(sys.argv[1])))
"""


def test_a_full_disk_is_told_where_it_fills_and_leaves_nothing_behind(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=8m,nr_inodes=64 none "$0" && exec "$1" -c "$2" "$0"'
    command = ["unshare", "-m", "sh", "-c", mount, str(tmp_path), sys.executable, FULL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("mounting needs root")
    assert done.stdout.splitlines() == [
        "announced ENOSPC",
        "growing ENOSPC",
        "readable True",
        "inodes ENOSPC",
        "kept True",
        "exact True 0 []",
    ], done.stderr


def test_a_part_file_is_new_and_ours(tmp_path: Path) -> None:
    path = tmp_path / "part"
    fd, reader = files.create(path, 100)
    os.pwrite(fd, b"x", 0)
    assert os.pread(reader, 1, 0) == b"x"
    with pytest.raises(FileExistsError):
        files.create(path, 0)
    assert path.exists()
    os.close(fd)
    os.close(reader)


def test_a_file_system_that_cannot_allocate_is_written_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> None:
        def allocate(*_: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "posix_fallocate", allocate)

    refuse(errno.EOPNOTSUPP)
    for descriptor in files.create(tmp_path / "part", 100):
        os.close(descriptor)
    refuse(errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        files.create(tmp_path / "other", 100)
    assert not (tmp_path / "other").exists()


def test_what_lies_in_memory_is_not_cleared_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "in_memory", lambda *_: True)
    for descriptor in files.create(tmp_path / "part", 1 << 20):
        assert os.fstat(descriptor).st_blocks == 0
        os.close(descriptor)


def test_settled_bytes_are_read_only_and_counted_in_blocks(tmp_path: Path) -> None:
    fd, reader = files.create(tmp_path / "part", 0)
    os.pwrite(fd, BODY, 0)
    status = files.settle(fd, "data")
    assert (status.st_mode & 0o777, status.st_size) == (0o444, len(BODY))
    assert files.allocated(status) == status.st_blocks * 512
    os.close(fd)
    os.close(reader)


def test_a_content_file_is_read_to_the_end_before_it_is_believed(tmp_path: Path) -> None:
    path = tmp_path / content_path(DIGEST)
    assert not files.hashes_to(tmp_path, DIGEST)
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    assert files.hashes_to(tmp_path, DIGEST)
    path.write_bytes(BODY[:-1] + b"!")
    assert not files.hashes_to(tmp_path, DIGEST)
    path.unlink()
    path.mkdir()
    assert not files.hashes_to(tmp_path, DIGEST)


def test_content_that_cannot_be_indexed_does_not_stay_in_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            real = Tables.change

            def change(tables: Tables, sql: str, *values: str | float | None) -> int:
                if sql.startswith("INSERT"):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(tables, sql, *values)

            monkeypatch.setattr(Tables, "change", change)
            with pytest.raises(OSError, match="No space left"):
                await put(store, BODY)
            assert (tree(tmp_path), store.usage().reserved, store.usage().entries) == ([], 0, 0)

    asyncio.run(story())


def test_storing_over_a_lost_file_replaces_its_row(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as store:
            await put(store, BODY)
            (tmp_path / content_path(DIGEST)).unlink()
            await put(store, BODY)
            usage = store.usage()
            assert (usage.entries, usage.content) == (1, 8 * KIB)

    asyncio.run(story())
