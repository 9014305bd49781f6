"""Reading content without waiting for the disk on the event loop."""

import asyncio
import errno
import os

# Linux's RWF_NOWAIT answers EAGAIN when the page is not in memory; tmpfs and some others do not know it.
_NOT_KNOWN = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


async def read_at(fd: int, offset: int, limit: int) -> bytes:
    """Up to `limit` bytes at `offset`: from memory at once, else in a thread."""
    buffer = bytearray(limit)
    try:
        count = os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)
    except BlockingIOError:
        return await asyncio.to_thread(os.pread, fd, limit, offset)
    except OSError as error:
        if error.errno not in _NOT_KNOWN:
            raise
        return os.pread(fd, limit, offset)
    if count < limit:
        # A short read may only mean that the rest is not in memory.
        rest = await asyncio.to_thread(os.pread, fd, limit - count, offset + count)
        return bytes(memoryview(buffer)[:count]) + rest
    return bytes(buffer)
