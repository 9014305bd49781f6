"""Reading content without waiting for a disk on the event loop: from memory at once, else in a thread.

What a disk refuses is a body that cannot become whole from there.
"""

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from regproxy.model.answer import BrokenBody
from regproxy.model.mounts import MOUNTINFO, in_memory

MAX_THREADS = 8
COLD_BYTES = 256 * 1024
AHEAD_BYTES = 2 * 1024 * 1024
# What the system answers that has no descriptor or memory to give: nothing is said of what was asked for.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# What a file system answers that does not know RWF_NOWAIT; those in memory need it least.
_NOT_KNOWN = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class Unreadable(BrokenBody):
    """The disk refused to give what a file holds."""


class Disk:
    """The threads that wait for disks, and which file systems have none; one for each event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="regproxy-read")
        self._in_memory: dict[int, bool] = {}

    def close(self) -> None:
        """No more reads; those under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def in_memory(self, fd: int) -> bool:
        """Whether the file lies in memory, so that plain reads never wait; looked up once per file system."""
        device = os.fstat(fd).st_dev
        if device not in self._in_memory:
            self._in_memory[device] = _in_memory(device)
        return self._in_memory[device]

    async def read(self, fd: int, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes at `offset`, read by a thread, which also asks for what comes behind them."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _read_cold, fd, offset, limit)


class Cursor:
    """Where one reader is in a file of which the bytes below `stop` may be read; the descriptor is not its own.

    Reading raises Unreadable where the disk refuses.
    """

    def __init__(self, disk: Disk, fd: int, offset: int, stop: int) -> None:
        self._disk = disk
        self._fd = fd
        self._flags = os.RWF_NOWAIT
        self.offset = offset
        self.stop = stop

    def read(self, room: memoryview) -> int:
        """Put what follows into `room` and move on; 0 at `stop`, and where what follows is not in memory.

        A part in memory is read up to its end.
        """
        size = min(len(room), self.stop - self.offset)
        if size <= 0:
            return 0
        try:
            count = self._read(room[:size])
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Unreadable(f"the disk refused: {error}") from error
        self.offset += count
        return count

    def _read(self, room: memoryview) -> int:
        try:
            return os.preadv(self._fd, [room], self.offset, self._flags)
        except OSError as error:
            if not self._flags or error.errno not in _NOT_KNOWN:
                raise
        if not self._disk.in_memory(self._fd):
            raise BlockingIOError
        self._flags = 0
        return os.preadv(self._fd, [room], self.offset, self._flags)

    async def load(self) -> bytes:
        """What follows, from the disk, and move on; empty at `stop` and at the end of the file."""
        limit = max(0, min(COLD_BYTES, self.stop - self.offset))
        try:
            chunk = await self._disk.read(self._fd, self.offset, limit)
        except OSError as error:
            raise Unreadable(f"the disk refused: {error}") from error
        self.offset += len(chunk)
        return chunk


def _read_cold(fd: int, offset: int, limit: int) -> bytes:
    os.posix_fadvise(fd, offset, AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
    return os.pread(fd, limit, offset)


def _in_memory(device: int) -> bool:
    mountinfo = Path(MOUNTINFO).read_text(encoding="utf-8", errors="replace")
    return in_memory(os.major(device), os.minor(device), mountinfo)
