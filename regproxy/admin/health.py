"""`/metrics`, `/livez` and `/readyz`: read-only, without a Host check, so that probes reach them by any name."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.iostream import StreamClosedError


class Health:
    """Serves the three paths on sockets that are bound already; `ready` says why not, or None."""

    def __init__(self, metrics: Callable[[], bytes], ready: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._ready = ready
        self._server = HTTPServer(self._handle, idle_connection_timeout=60, body_timeout=10, max_body_size=1024)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, sockets: list[socket.socket]) -> None:
        """Accept from now on."""
        self._server.add_sockets(sockets)

    async def stop(self) -> None:
        """Stop accepting and close what is open."""
        self._server.stop()
        await self._server.close_all_connections()

    def _handle(self, request: HTTPServerRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: HTTPServerRequest) -> None:
        status, kind, body = await self._page(request.path)
        headers = HTTPHeaders({"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store"})
        if request.method not in ("GET", "HEAD"):
            status, body = 405, b""
            headers["Content-Length"] = "0"
        connection = request.connection
        if connection is None:
            return
        sent = b"" if request.method == "HEAD" else body
        with contextlib.suppress(StreamClosedError):
            await connection.write_headers(ResponseStartLine("HTTP/1.1", status, ""), headers, sent)
            connection.finish()

    async def _page(self, path: str) -> tuple[int, str, bytes]:
        match path:
            case "/metrics":
                # Rendering may take milliseconds with many series: not on the loop that serves clients.
                return 200, CONTENT_TYPE_LATEST, await asyncio.to_thread(self._metrics)
            case "/livez":
                return 200, "text/plain; charset=utf-8", b"alive\n"
            case "/readyz":
                why_not = self._ready()
                body = f"{why_not or 'ready'}\n".encode()
                return (503 if why_not else 200), "text/plain; charset=utf-8", body
            case _:
                return 404, "text/plain; charset=utf-8", b"see /metrics, /livez and /readyz\n"
