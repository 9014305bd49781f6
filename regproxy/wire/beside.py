"""What is too large for a frame travels beside it, as a file in memory."""

import os

MAX_REPLY = 16 * 1024 * 1024


def in_memory(data: bytes) -> int:
    """A file in memory with these bytes."""
    fd = os.memfd_create("reply", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as out:
            out.write(data)
    except BaseException:
        os.close(fd)
        raise
    return fd


def from_memory(fd: int, size: int) -> bytes:
    """The bytes of a file in memory, which is closed."""
    try:
        return os.pread(fd, min(size, MAX_REPLY), 0)
    finally:
        os.close(fd)
