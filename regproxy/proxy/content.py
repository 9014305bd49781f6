"""Content below the cache directory, opened and read to its end; what cannot be read is told to the core."""

import os
from pathlib import Path

from regproxy.model.answer import BrokenBody, Core, Reply, Stored
from regproxy.model.entry import content_path
from regproxy.model.event import StoreFailed
from regproxy.model.oci import Digest
from regproxy.proxy.files import EXHAUSTED, Cursor, Disk, Unreadable

CHUNK_BYTES = 256 * 1024


def open_content(core: Core, directory: Path, answer: Stored) -> int:
    """A descriptor of it; raises FileNotFoundError where it cannot be had, damaged or gone.

    Raises BrokenBody where the system has none to give: the content is sound, and must not be removed for that.
    """
    try:
        fd = os.open(directory / content_path(answer.digest), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise BrokenBody(str(error)) from error
        raise lost(core, answer.digest, error) from error
    if os.fstat(fd).st_size != answer.size:
        os.close(fd)
        raise FileNotFoundError(f"{answer.digest} is damaged on disk")
    return fd


def lost(core: Core, digest: Digest, error: Exception) -> FileNotFoundError:
    """Tell the core what cannot be read, so that it is not named again; what to raise where nothing was sent yet."""
    core.report([StoreFailed("read", str(error), digest)])
    return FileNotFoundError(f"{digest} cannot be read")


async def in_hand(core: Core, directory: Path, disk: Disk, answer: Stored) -> Reply:
    """Small stored content with its body; raises FileNotFoundError where it cannot be had."""
    fd = open_content(core, directory, answer)
    try:
        body = await small_content(core, answer.digest, Cursor(disk, fd, 0, answer.size))
    finally:
        os.close(fd)
    return Reply(answer.head, body, answer.labels, answer.until, answer.audience)


async def small_content(core: Core, digest: Digest, cursor: Cursor) -> bytes:
    """All that follows the cursor; raises FileNotFoundError where the disk refuses it."""
    pieces = []
    try:
        while cursor.offset < cursor.stop:
            pieces.append(await piece(cursor))
    except Unreadable as error:
        raise lost(core, digest, error) from error
    return b"".join(pieces)


async def piece(cursor: Cursor) -> bytes:
    """What follows the cursor: from memory, else from the disk; raises BrokenBody where the file ends too early."""
    room = bytearray(min(CHUNK_BYTES, cursor.stop - cursor.offset))
    count = cursor.read(memoryview(room))
    chunk = bytes(memoryview(room)[:count]) or await cursor.load()
    if not chunk:
        raise BrokenBody("the file on disk is shorter than it was")
    return chunk
