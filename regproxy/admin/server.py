"""Small answers, whole, on sockets that are bound already: what health and the calls of the admin socket share."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError

IDLE_SECONDS = 60
BODY_SECONDS = 10
MAX_CONNECTIONS = 100  # of one server; what it has no room for is closed, so that registries keep their descriptors


@dataclass(frozen=True, slots=True)
class Page:
    """A status, a media type and a body; `reason` stands for the status's own phrase, in printable ASCII."""

    status: int
    kind: str
    body: bytes
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class _Bounded(HTTPServer):
    """Serves MAX_CONNECTIONS at once, and closes others."""

    _open = 0

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self._open >= MAX_CONNECTIONS:
            stream.close()
            return
        self._open += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self._open -= 1
        super().on_close(server_conn)


class Server:
    """Answers each request with the page that `answer` makes of it, or with `fault` where it makes none.

    A HEAD gets its head alone.
    """

    def __init__(self, answer: Callable[[HTTPServerRequest], Awaitable[Page]], fault: Page, max_body: int) -> None:
        self._answer = answer
        self._fault = fault
        self._server = _Bounded(
            self._handle, idle_connection_timeout=IDLE_SECONDS, body_timeout=BODY_SECONDS, max_body_size=max_body
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, sockets: list[socket.socket]) -> None:
        """Accept from now on."""
        self._server.add_sockets(sockets)

    async def stop(self) -> None:
        """Stop accepting, and close what is open."""
        self._server.stop()
        await self._server.close_all_connections()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _handle(self, request: HTTPServerRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._send(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, request: HTTPServerRequest) -> None:
        try:
            page = await self._answer(request)
        except Exception as error:
            message = f"{request.method} {request.path} could not be answered"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
            page = self._fault
        connection = request.connection
        if connection is None:
            return
        headers = HTTPHeaders(
            {"Content-Type": page.kind, "Content-Length": str(len(page.body)), "Cache-Control": "no-store"}
        )
        for name, value in page.headers:
            headers.add(name, value)
        line = ResponseStartLine("HTTP/1.1", page.status, page.reason or HTTPStatus(page.status).phrase)
        with contextlib.suppress(StreamClosedError):
            await connection.write_headers(line, headers, b"" if request.method == "HEAD" else page.body)
            connection.finish()
