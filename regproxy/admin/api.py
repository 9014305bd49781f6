"""`/api/v1` on a Unix socket that only the proxy's own user can open; errors are problem+json (RFC 9457)."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.iostream import StreamClosedError

PREFIX = "/api/v1"
MAX_BODY = 64 * 1024
IDLE_SECONDS = 60

Handler = Callable[[Mapping[str, str]], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Route:
    """One call: `handler` gets the query; it raises ValueError, a sentence, for a query that is wrong."""

    method: str
    path: str
    handler: Handler


class Api:
    """Serves the routes on sockets that are bound already."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = {(route.method, f"{PREFIX}{route.path}"): route.handler for route in routes}
        self._server = HTTPServer(
            self._handle, idle_connection_timeout=IDLE_SECONDS, body_timeout=10, max_body_size=MAX_BODY
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
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: HTTPServerRequest) -> None:
        status, kind, found = await self._called(request)
        body = json.dumps(found).encode() + b"\n"
        headers = HTTPHeaders({"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store"})
        connection = request.connection
        if connection is None:
            return
        with contextlib.suppress(StreamClosedError):
            line = ResponseStartLine("HTTP/1.1", status, HTTPStatus(status).phrase)
            await connection.write_headers(line, headers, body)
            connection.finish()

    async def _called(self, request: HTTPServerRequest) -> tuple[int, str, Mapping[str, object]]:
        handler = self._routes.get((request.method or "", request.path))
        if handler is None:
            allowed = [method for method, path in self._routes if path == request.path]
            if allowed:
                return _problem(405, f"{request.path} takes {' and '.join(allowed)}")
            return _problem(404, f"there is no {request.path[:200]} here")
        try:
            query = parse_qs(request.query, strict_parsing=bool(request.query), max_num_fields=20)
            return 200, "application/json", await handler({name: values[-1] for name, values in query.items()})
        except ValueError as error:
            return _problem(400, str(error))


def _problem(status: int, detail: str) -> tuple[int, str, Mapping[str, object]]:
    return status, "application/problem+json", {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
