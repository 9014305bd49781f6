"""Sending an answer: conditions, ranges, HEAD, flow control, and the fields that every intercepted answer carries."""

import asyncio
import os
import socket
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import assert_never

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, ResponseStartLine

from regproxy.model.answer import Answer, Ask, BrokenBody, Filling, Reply, Stored, Streaming
from regproxy.model.entry import content_path
from regproxy.model.event import Labels
from regproxy.model.message import (
    ByteRange,
    Head,
    Unsatisfiable,
    field,
    not_modified,
    range_applies,
    resolve_range,
    without,
)
from regproxy.proxy.files import Cursor, Disk
from regproxy.proxy.head import phrase, shown
from regproxy.proxy.stream import ClientStream

CHUNK_BYTES = 256 * 1024
# A body of this size leaves with its head, in one system call.
SMALL_BYTES = 64 * 1024
UNKNOWN_SIZE = 1 << 62
_NOTHING = ByteRange(0, 0)
# RFC 9110 §15.4.5: what a 304 repeats.
_NOT_MODIFIED = frozenset(["etag", "cache-control", "content-location", "expires", "vary", "docker-content-digest"])


@dataclass(slots=True)
class Sent:
    """How much of an answer has left: the edge's half of a log line."""

    status: int = 0
    bytes: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """The status line, fields and range of what is sent."""

    head: Head
    span: ByteRange


class Replier:
    """Sends answers to one request; whatever an answer owns is closed when it returns."""

    def __init__(
        self, connection: HTTP1Connection, stream: ClientStream, ask: Ask, content_directory: Path, disk: Disk
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._ask = ask
        self._directory = content_directory
        self._disk = disk
        self.sent = Sent()

    async def send(self, answer: Answer) -> None:
        """Send an answer; raises BrokenBody when its body cannot become whole, FileNotFoundError before any byte."""
        match answer:
            case Stored():
                fd = _open(self._directory, answer)
                try:
                    await self._stored(answer, fd)
                finally:
                    os.close(fd)
            case Filling(fd=fd):
                try:
                    await self._filling(answer)
                finally:
                    answer.progress.leave()
                    os.close(fd)
            case Streaming(fd=fd):
                with socket.socket(fileno=fd) as body:
                    await self._streaming(answer, body)
            case Reply():
                await self._reply(answer)
            case _:
                assert_never(answer)
        self._finish()

    # Shapes of answers.

    async def _stored(self, answer: Stored, fd: int) -> None:
        part = self._select(answer.head, answer.size)
        cursor = Cursor(self._disk, fd, part.span.start, part.span.stop)
        if part.span.stop - part.span.start > SMALL_BYTES:
            await self._head(part.head, answer.labels)
            await self._drain(cursor)
        else:
            await self._head(part.head, answer.labels, await _all_of(cursor))

    async def _filling(self, answer: Filling) -> None:
        if answer.size is not None:
            part = self._select(answer.head, answer.size)
        else:
            part = _Part(answer.head, _NOTHING if self._ask.method == "HEAD" else ByteRange(0, UNKNOWN_SIZE))
        await self._head(part.head, answer.labels)
        cursor = Cursor(self._disk, answer.fd, part.span.start, part.span.start)
        while cursor.offset < part.span.stop:
            cursor.stop = min(await answer.progress.beyond(cursor.offset), part.span.stop)
            if cursor.stop <= cursor.offset:
                if answer.size is not None:
                    raise BrokenBody("the transfer ended before its length")
                return
            await self._drain(cursor)

    async def _streaming(self, answer: Streaming, body: socket.socket) -> None:
        body.setblocking(False)
        loop = asyncio.get_running_loop()
        await self._head(answer.head, answer.labels)
        while chunk := await loop.sock_recv(body, CHUNK_BYTES):
            if self._ask.method != "HEAD":
                await self._write(chunk)
        await answer.ending.wait()

    async def _reply(self, answer: Reply) -> None:
        head, body = answer.head, answer.body
        if head.status == 200 and self._ask.method != "HEAD":
            part = self._select(head, len(body))
            head, body = part.head, body[part.span.start : part.span.stop]
        elif head.get("content-length") is None and head.status >= 200 and head.status not in (204, 304):
            head = Head(head.status, (*head.fields, ("Content-Length", str(len(body)))), head.reason)
        await self._head(head, answer.labels, b"" if self._ask.method == "HEAD" else body)

    # Bodies, piece by piece.

    async def _drain(self, cursor: Cursor) -> None:
        """Send a file from where the cursor is to where it must stop; what is in memory goes past the connection."""
        while cursor.offset < cursor.stop:
            # How many bytes of its length the body owes: the connection counts, and does not finish before it is zero.
            owed = self._connection._expected_content_remaining
            if owed is not None:
                self._connection._expected_content_remaining = owed - await self._pump(cursor)
            if cursor.offset < cursor.stop:
                await self._write(await _piece(cursor))

    async def _pump(self, cursor: Cursor) -> int:
        began = cursor.offset
        try:
            await self._stream.pump(cursor.read)
        finally:
            self.sent.bytes += cursor.offset - began
        return cursor.offset - began

    # What is sent of a whole representation.

    def _select(self, head: Head, size: int) -> _Part:
        asked = self._ask.fields
        if not_modified(asked, head.fields):
            kept = tuple((name, value) for name, value in head.fields if name.lower() in _NOT_MODIFIED)
            return _Part(Head(304, kept), _NOTHING)
        wanted = field(asked, "range") if self._ask.method == "GET" and range_applies(asked, head.fields) else None
        span = resolve_range(wanted, size)
        plain = without(head.fields, ["content-length"])
        match span:
            case None:
                whole = _NOTHING if self._ask.method == "HEAD" else ByteRange(0, size)
                return _Part(Head(head.status, (*plain, ("Content-Length", str(size))), head.reason), whole)
            case Unsatisfiable():
                fields = (("Content-Range", f"bytes */{size}"), ("Content-Length", "0"))
                return _Part(Head(416, fields), _NOTHING)
            case ByteRange(start=start, stop=stop):
                extent = (("Content-Range", f"bytes {start}-{stop - 1}/{size}"), ("Content-Length", str(stop - start)))
                return _Part(Head(206, (*plain, *extent)), span)
            case _:
                assert_never(span)

    async def _head(self, head: Head, labels: Labels, body: bytes = b"") -> None:
        """Send the head, and a small body with it."""
        headers = HTTPHeaders()
        for name, value in shown(head, labels):
            headers.add(name, value)
        if "Date" not in headers:
            headers["Date"] = formatdate(usegmt=True)
        self.sent.status = head.status
        line = ResponseStartLine("HTTP/1.1", head.status, phrase(head))
        self._stream.await_client()
        await self._connection.write_headers(line, headers, body)
        self._stream.await_nothing()
        self.sent.bytes += len(body)

    async def _write(self, chunk: bytes) -> None:
        self._stream.await_client()
        await self._connection.write(chunk)
        self._stream.await_nothing()
        self.sent.bytes += len(chunk)

    def _finish(self) -> None:
        self._stream.await_request()
        self.sent.complete = True
        self._connection.finish()


async def in_hand(answer: Stored, directory: Path, disk: Disk) -> Reply:
    """Small stored content with its body; raises FileNotFoundError when it is no longer there, or damaged."""
    fd = _open(directory, answer)
    try:
        body = await _all_of(Cursor(disk, fd, 0, answer.size))
    finally:
        os.close(fd)
    return Reply(answer.head, body, answer.labels, answer.until, answer.audience)


def _open(directory: Path, answer: Stored) -> int:
    fd = os.open(directory / content_path(answer.digest), os.O_RDONLY | os.O_NOFOLLOW)
    if os.fstat(fd).st_size != answer.size:
        os.close(fd)
        raise FileNotFoundError(f"{answer.digest} is damaged on disk")
    return fd


async def _all_of(cursor: Cursor) -> bytes:
    """The rest of a small body."""
    pieces = []
    while cursor.offset < cursor.stop:
        pieces.append(await _piece(cursor))
    return b"".join(pieces)


async def _piece(cursor: Cursor) -> bytes:
    """What follows the cursor: from memory, else from the disk; raises BrokenBody where the file ends too early."""
    room = bytearray(min(CHUNK_BYTES, cursor.stop - cursor.offset))
    count = cursor.read(memoryview(room))
    chunk = bytes(memoryview(room)[:count]) or await cursor.load()
    if not chunk:
        raise BrokenBody("the file on disk is shorter than it was")
    return chunk
