"""Sending an answer: its body from wherever it is, flow control, and the fields that all intercepted answers carry."""

import asyncio
import contextlib
import os
import socket
import time
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import assert_never

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, ResponseStartLine

from regproxy.model.answer import Answer, Ask, BrokenBody, Core, Filling, Interrupted, Reply, Stored, Streaming
from regproxy.model.event import BodyBegan, Labels, StoreFailed
from regproxy.model.message import ByteRange, Head
from regproxy.model.oci import Digest
from regproxy.proxy.content import CHUNK_BYTES, lost, open_content, piece, small_content
from regproxy.proxy.files import Cursor, Disk, Unreadable
from regproxy.proxy.head import phrase, shown
from regproxy.proxy.rest import UNKNOWN_STOP, check_rest, rest_of
from regproxy.proxy.selection import NOTHING, Part, select
from regproxy.proxy.stream import ClientStream

# A body of this size leaves with its head, in one system call.
SMALL_BYTES = 64 * 1024
# How often one answer may lose its source on the way and go on from another.
MAX_RESTS = 3


@dataclass(slots=True)
class Sent:
    """How much of an answer has left, and since when (monotonic): the edge's half of a log line."""

    status: int = 0
    began_at: float = 0.0
    bytes: int = 0
    complete: bool = False
    streamed: bool = False


class Replier:
    """Sends answers to one request; whatever an answer owns is closed when it returns."""

    def __init__(
        self,
        connection: HTTP1Connection,
        stream: ClientStream,
        ask: Ask,
        content_directory: Path,
        disk: Disk,
        core: Core,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._ask = ask
        self._directory = content_directory
        self._disk = disk
        self._core = core
        self._rests = 0
        self.sent = Sent()

    async def send(self, answer: Answer) -> None:
        """Send an answer; raises BrokenBody when its body cannot become whole, FileNotFoundError before any byte."""
        match answer:
            case Stored():
                fd = open_content(self._core, self._directory, answer)
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
        part = select(self._ask, answer.head, answer.size)
        if part.span.stop - part.span.start > SMALL_BYTES:
            await self._begin(part.head, answer.labels)
            await self._content(answer.digest, fd, part.span)
            return
        cursor = Cursor(self._disk, fd, part.span.start, part.span.stop)
        small = await small_content(self._core, answer.digest, cursor)
        await self._head(part.head, answer.labels, small)

    async def _filling(self, answer: Filling) -> None:
        if answer.size is not None:
            part = select(self._ask, answer.head, answer.size)
        else:
            part = Part(answer.head, NOTHING if self._ask.method == "HEAD" else ByteRange(0, UNKNOWN_STOP))
        await self._begin(part.head, answer.labels)
        await self._growing(answer, part.span)

    async def _streaming(self, answer: Streaming, body: socket.socket) -> None:
        await self._begin(answer.head, answer.labels)
        if self._ask.method != "HEAD":
            await self._flowing(answer, body)
            return
        # A client that has its head may leave before we know that no more comes.
        self.sent.complete = True
        with contextlib.suppress(BrokenBody):
            await self._flowing(answer, body)

    async def _reply(self, answer: Reply) -> None:
        head, body = answer.head, answer.body
        if head.status == 200 and self._ask.method != "HEAD":
            part = select(self._ask, head, len(body))
            head, body = part.head, body[part.span.start : part.span.stop]
        elif head.get("content-length") is None and head.status >= 200 and head.status not in (204, 304):
            head = Head(head.status, (*head.fields, ("Content-Length", str(len(body)))), head.reason)
        await self._head(head, answer.labels, b"" if self._ask.method == "HEAD" else body)

    # Bodies by their sources; where the disk fails one on the way, the core is asked for the rest.

    async def _content(self, digest: Digest, fd: int, span: ByteRange) -> None:
        cursor = Cursor(self._disk, fd, span.start, span.stop)
        try:
            await self._drain(cursor)
        except Unreadable as error:
            lost(self._core, digest, error)
            await self._rest(ByteRange(cursor.offset, span.stop))

    async def _growing(self, answer: Filling, span: ByteRange) -> None:
        cursor = Cursor(self._disk, answer.fd, span.start, span.start)
        try:
            while cursor.offset < span.stop:
                cursor.stop = min(await answer.progress.beyond(cursor.offset), span.stop)
                if cursor.stop <= cursor.offset:
                    if answer.size is not None:
                        raise BrokenBody("the transfer ended before its length")
                    return
                await self._drain(cursor)
        except Interrupted:
            await self._rest(ByteRange(cursor.offset, span.stop))
        except Unreadable as error:
            # What was sent of it is not verified: nothing may be put behind it.
            self._core.report([StoreFailed("read", str(error))])
            raise

    async def _flowing(self, answer: Streaming, body: socket.socket) -> None:
        body.setblocking(False)
        loop = asyncio.get_running_loop()
        while chunk := await loop.sock_recv(body, CHUNK_BYTES):
            if self._ask.method != "HEAD":
                await self._write(chunk)
        await answer.ending.wait()

    async def _rest(self, span: ByteRange) -> None:
        self._rests += 1
        if self._rests > MAX_RESTS:
            raise BrokenBody("one source after the other failed")
        answer = await self._core.answer(rest_of(self._ask, span))
        match answer:
            case Streaming(fd=fd):
                with socket.socket(fileno=fd) as body:
                    check_rest(answer, span)
                    await self._flowing(answer, body)
            case Filling(fd=fd, size=size):
                try:
                    await self._growing(answer, span if size is None else ByteRange(span.start, min(span.stop, size)))
                finally:
                    answer.progress.leave()
                    os.close(fd)
            case Stored(digest=digest, size=size):
                try:
                    fd = open_content(self._core, self._directory, answer)
                except FileNotFoundError as error:
                    raise BrokenBody(str(error)) from error
                try:
                    await self._content(digest, fd, ByteRange(span.start, min(span.stop, size)))
                finally:
                    os.close(fd)
            case Reply(head=head):
                raise BrokenBody(f"the rest was answered with {head.status}")
            case _:
                assert_never(answer)

    # Bodies, piece by piece.

    async def _drain(self, cursor: Cursor) -> None:
        """Send a file from where the cursor is to where it must stop; what is in memory goes past the connection."""
        while cursor.offset < cursor.stop:
            # How many bytes of its length the body owes: the connection counts, and does not finish before it is zero.
            owed = self._connection._expected_content_remaining
            if owed is not None:
                await self._pump(cursor, owed)
            if cursor.offset < cursor.stop:
                await self._write(await piece(cursor))

    async def _pump(self, cursor: Cursor, owed: int) -> None:
        began = cursor.offset
        try:
            await self._stream.pump(cursor.read)
        finally:
            self.sent.bytes += cursor.offset - began
            self._connection._expected_content_remaining = owed - (cursor.offset - began)

    # Heads and pieces.

    async def _begin(self, head: Head, labels: Labels) -> None:
        """Send the head of a body that takes a while."""
        self.sent.streamed = True
        self._core.report([BodyBegan(self._ask.client, self._ask.authority.name, labels)])
        await self._head(head, labels)

    async def _head(self, head: Head, labels: Labels, body: bytes = b"") -> None:
        """Send the head, and a small body with it."""
        headers = HTTPHeaders()
        for name, value in shown(head, labels):
            headers.add(name, value)
        if "Date" not in headers:
            headers["Date"] = formatdate(usegmt=True)
        self.sent.status, self.sent.began_at = head.status, time.monotonic()
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
        # Raises where less was sent than the head said.
        self._connection.finish()
        self.sent.complete = True
