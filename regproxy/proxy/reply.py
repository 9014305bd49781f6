"""Sending an answer: conditions, ranges, HEAD, flow control, and the fields that every intercepted answer carries."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
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
    printable,
    range_applies,
    resolve_range,
    without,
)
from regproxy.proxy.files import read_at
from regproxy.proxy.stream import ClientStream

Reader = Callable[[ByteRange], AsyncIterator[bytes]]

CHUNK_BYTES = 256 * 1024
SEND_SECONDS = 60.0
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
    span: ByteRange | None


class Replier:
    """Sends answers to one request; whatever an answer owns is closed when it returns."""

    def __init__(self, connection: HTTP1Connection, stream: ClientStream, ask: Ask, content_directory: Path) -> None:
        self._connection = connection
        self._stream = stream
        self._ask = ask
        self._directory = content_directory
        self.sent = Sent()

    async def send(self, answer: Answer) -> None:
        """Send an answer; raises BrokenBody when its body cannot become whole, FileNotFoundError before any byte."""
        match answer:
            case Stored(head=head, digest=digest, size=size, labels=labels):
                fd = os.open(self._directory / content_path(digest), os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    if os.fstat(fd).st_size != size:
                        raise FileNotFoundError(f"{digest} is damaged on disk")
                    await self._whole(head, size, labels, lambda span: self._file(fd, span))
                finally:
                    os.close(fd)
            case Filling(fd=fd):
                try:
                    await self._filling(answer)
                finally:
                    answer.progress.leave()
                    os.close(fd)
            case Streaming(head=head, fd=fd, labels=labels):
                with socket.socket(fileno=fd) as body:
                    await self._streaming(answer, body)
            case Reply(head=head, body=small, labels=labels):
                if self._ask.method == "HEAD" or head.status != 200:
                    await self._small(head, small, labels)
                else:
                    await self._whole(head, len(small), labels, lambda span: _slice(small, span))
            case _:
                assert_never(answer)

    # Shapes of answers.

    async def _whole(self, head: Head, size: int, labels: Labels, read: Reader) -> None:
        part = self._select(head, size)
        await self._head(part.head, labels)
        if part.span is not None and self._ask.method != "HEAD":
            async for chunk in read(part.span):
                await self._write(chunk)
        await self._finish()

    async def _small(self, head: Head, body: bytes, labels: Labels) -> None:
        fields = head.fields
        if head.get("content-length") is None and head.status >= 200 and head.status not in (204, 304):
            fields = (*fields, ("Content-Length", str(len(body))))
        await self._head(Head(head.status, fields, head.reason), labels)
        if body and self._ask.method != "HEAD":
            await self._write(body)
        await self._finish()

    async def _filling(self, answer: Filling) -> None:
        if answer.size is not None:
            await self._whole(answer.head, answer.size, answer.labels, lambda span: self._growing(answer, span))
            return
        await self._head(answer.head, answer.labels)
        if self._ask.method != "HEAD":
            async for chunk in self._growing(answer, ByteRange(0, 1 << 62)):
                await self._write(chunk)
        await self._finish()

    async def _streaming(self, answer: Streaming, body: socket.socket) -> None:
        body.setblocking(False)
        loop = asyncio.get_running_loop()
        await self._head(answer.head, answer.labels)
        while chunk := await loop.sock_recv(body, CHUNK_BYTES):
            if self._ask.method != "HEAD":
                await self._write(chunk)
        await answer.ending.wait()
        await self._finish()

    # Bodies, piece by piece.

    async def _file(self, fd: int, span: ByteRange) -> AsyncIterator[bytes]:
        offset = span.start
        while offset < span.stop:
            chunk = await read_at(fd, offset, min(CHUNK_BYTES, span.stop - offset))
            if not chunk:
                raise BrokenBody("the file on disk is shorter than its row says")
            offset += len(chunk)
            yield chunk

    async def _growing(self, answer: Filling, span: ByteRange) -> AsyncIterator[bytes]:
        offset = span.start
        while offset < span.stop:
            have = min(await answer.progress.beyond(offset), span.stop)
            if have <= offset:
                if answer.size is not None:
                    raise BrokenBody("the transfer ended before its length")
                return
            while offset < have:
                chunk = await read_at(answer.fd, offset, min(CHUNK_BYTES, have - offset))
                if not chunk:
                    raise BrokenBody("the part file is shorter than it was")
                offset += len(chunk)
                yield chunk

    # What is sent of a whole representation.

    def _select(self, head: Head, size: int) -> _Part:
        asked = self._ask.fields
        if not_modified(asked, head.fields):
            kept = tuple((name, value) for name, value in head.fields if name.lower() in _NOT_MODIFIED)
            return _Part(Head(304, kept), None)
        wanted = field(asked, "range") if self._ask.method == "GET" and range_applies(asked, head.fields) else None
        span = resolve_range(wanted, size)
        plain = without(head.fields, ["content-length"])
        match span:
            case None:
                return _Part(
                    Head(head.status, (*plain, ("Content-Length", str(size))), head.reason), ByteRange(0, size)
                )
            case Unsatisfiable():
                fields = (("Content-Range", f"bytes */{size}"), ("Content-Length", "0"))
                return _Part(Head(416, fields), None)
            case ByteRange(start=start, stop=stop):
                extent = (("Content-Range", f"bytes {start}-{stop - 1}/{size}"), ("Content-Length", str(stop - start)))
                return _Part(Head(206, (*plain, *extent)), span)
            case _:
                assert_never(span)

    async def _head(self, head: Head, labels: Labels) -> None:
        headers = HTTPHeaders()
        for name, value in head.fields:
            headers.add(name, value)
        headers.add("Cache-Status", labels.outcome.cache_status(head.status))
        headers["X-Docker-Registry-Proxy-Cache-Upstream-Status"] = labels.outcome.seed
        headers["X-Docker-Registry-Proxy-Cache-Type"] = labels.tier or "unknown"
        headers.add("Via", "1.1 regproxy")
        if "Date" not in headers:
            headers["Date"] = formatdate(usegmt=True)
        self.sent.status = head.status
        line = ResponseStartLine("HTTP/1.1", head.status, printable(head.reason) or _phrase(head.status))
        self._stream.sending(SEND_SECONDS)
        await self._connection.write_headers(line, headers)

    async def _write(self, chunk: bytes) -> None:
        self._stream.sending(SEND_SECONDS)
        await self._connection.write(chunk)
        self._stream.sending(None)
        self.sent.bytes += len(chunk)

    async def _finish(self) -> None:
        self._stream.await_request()
        self.sent.complete = True
        self._connection.finish()


async def _slice(body: bytes, span: ByteRange) -> AsyncIterator[bytes]:
    yield body[span.start : span.stop]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
