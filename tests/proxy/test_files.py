"""Reading content without blocking the loop."""

import asyncio
import os
from pathlib import Path

import pytest

from regproxy.proxy.files import read_at

DATA = os.urandom(3_000_000)


@pytest.mark.parametrize(
    ("offset", "limit", "expected"),
    [
        (0, 10, DATA[:10]),
        (1_000_000, 262_144, DATA[1_000_000:1_262_144]),
        (2_999_990, 100, DATA[-10:]),
        (4_000_000, 10, b""),
    ],
)
@pytest.mark.parametrize("cold", [False, True])
def test_bytes_are_read_warm_or_cold(tmp_path: Path, offset: int, limit: int, expected: bytes, cold: bool) -> None:
    path = tmp_path / "content"
    path.write_bytes(DATA)
    fd = os.open(path, os.O_RDONLY)
    try:
        if cold:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert asyncio.run(read_at(fd, offset, limit)) == expected
    finally:
        os.close(fd)
