"""Reading content without blocking the loop."""

import asyncio
import errno
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from regproxy.model.answer import BrokenBody
from regproxy.proxy import files
from regproxy.proxy.files import AHEAD_BYTES, COLD_BYTES, Cursor, Disk

DATA = random.Random(3_000_000).randbytes(3_000_000)
Preadv = Callable[[int, Sequence[memoryview], int, int], int]


@pytest.fixture
def content(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a file with DATA in it."""
    path = tmp_path / "content"
    path.write_bytes(DATA)
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.close()


def read(cursor: Cursor, limit: int = COLD_BYTES) -> bytes:
    """What one read from memory gives."""
    room = memoryview(bytearray(limit))
    return bytes(room[: cursor.read(room)])


def answers(monkeypatch: pytest.MonkeyPatch, error: OSError) -> list[int]:
    """Let reads that must not wait fail; the flags of every read."""
    seen: list[int] = []
    real: Preadv = os.preadv

    def preadv(fd: int, buffers: Sequence[memoryview], offset: int, flags: int = 0) -> int:
        seen.append(flags)
        if flags & os.RWF_NOWAIT:
            raise error
        return real(fd, buffers, offset, flags)

    monkeypatch.setattr(os, "preadv", preadv)
    return seen


@pytest.mark.parametrize(
    ("offset", "stop", "expected"),
    [
        (0, 10, DATA[:10]),
        (1_000_000, 3_000_000, DATA[1_000_000 : 1_000_000 + COLD_BYTES]),
        (2_999_990, 3_000_000, DATA[-10:]),
        (2_999_990, 4_000_000, DATA[-10:]),
        (4_000_000, 4_000_010, b""),
        (10, 10, b""),
        (10, 5, b""),
    ],
)
def test_what_is_in_memory_is_read_at_once_and_never_beyond_the_stop(
    content: int, disk: Disk, offset: int, stop: int, expected: bytes
) -> None:
    cursor = Cursor(disk, content, offset, stop)
    assert read(cursor) == expected
    assert cursor.offset == offset + len(expected)


def test_what_is_not_in_memory_is_left_to_a_thread_that_reads_ahead(
    content: int, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = answers(monkeypatch, BlockingIOError())
    advised: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, *advice: advised.append(advice))
    pread, threads = os.pread, []

    def noting(fd: int, limit: int, offset: int) -> bytes:
        threads.append(threading.current_thread())
        return pread(fd, limit, offset)

    monkeypatch.setattr(os, "pread", noting)
    cursor = Cursor(disk, content, 5, len(DATA))
    assert (read(cursor), cursor.offset) == (b"", 5)
    assert asyncio.run(cursor.load()) == DATA[5 : 5 + COLD_BYTES]
    assert cursor.offset == 5 + COLD_BYTES
    assert seen == [os.RWF_NOWAIT]
    assert advised == [(5, AHEAD_BYTES, os.POSIX_FADV_WILLNEED)]
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
@pytest.mark.parametrize(("memory", "expected"), [(True, DATA[:COLD_BYTES]), (False, b"")])
def test_where_no_read_can_promise_not_to_wait_only_a_file_system_in_memory_is_read_at_once(
    content: int, disk: Disk, monkeypatch: pytest.MonkeyPatch, number: int, memory: bool, expected: bytes
) -> None:
    looked_up: list[int] = []

    def listed(major: int, minor: int, _: str) -> bool:
        looked_up.append(os.makedev(major, minor))
        return memory

    monkeypatch.setattr(files, "in_memory", listed)
    answers(monkeypatch, OSError(number, "not known"))
    for _ in range(2):
        cursor = Cursor(disk, content, 0, len(DATA))
        assert read(cursor) == expected
        assert asyncio.run(cursor.load()) == DATA[len(expected) : len(expected) + COLD_BYTES]
    assert looked_up == [os.fstat(content).st_dev]


def test_what_a_disk_refuses_is_a_broken_body(content: int, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = OSError(errno.EIO, "Input/output error")

    def pread(fd: int, limit: int, offset: int) -> bytes:
        raise refusal

    answers(monkeypatch, refusal)
    monkeypatch.setattr(os, "pread", pread)
    cursor = Cursor(disk, content, 0, len(DATA))
    with pytest.raises(BrokenBody, match="Input/output"):
        read(cursor)
    with pytest.raises(BrokenBody, match="Input/output"):
        asyncio.run(cursor.load())
    assert cursor.offset == 0


def test_a_file_in_shared_memory_lies_in_memory_and_proc_does_not(disk: Disk) -> None:
    with Path("/proc/self/stat").open("rb") as process:
        assert not disk.in_memory(process.fileno())
    shared = os.open("/dev/shm", os.O_RDWR | os.O_TMPFILE)
    try:
        assert disk.in_memory(shared)
    finally:
        os.close(shared)
