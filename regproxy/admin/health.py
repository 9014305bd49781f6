"""`/metrics`, `/livez` and `/readyz`: read-only, without a Host check, so that probes reach them by any name."""

from collections.abc import Awaitable, Callable

from tornado.httputil import HTTPServerRequest

from regproxy.admin.server import Page, Server

MAX_BODY = 1024
_TEXT = "text/plain; charset=utf-8"
# What who takes this port for the proxy's gets to read: clients print the reason of a refused CONNECT.
_NO_PROXY = "this is regproxy's port for metrics: the proxy listens on another, 3128 unless --listen says so"


class Health(Server):
    """Serves the three paths; `metrics` gets an Accept and gives page and media type, `ready` says why not, or None."""

    def __init__(self, metrics: Callable[[str], Awaitable[tuple[bytes, str]]], ready: Callable[[], str | None]) -> None:
        super().__init__(self._page, Page(500, _TEXT, b"an internal error; the log says more\n"), MAX_BODY)
        self._metrics = metrics
        self._ready = ready

    async def _page(self, request: HTTPServerRequest) -> Page:
        if request.method == "CONNECT":
            return Page(405, _TEXT, f"{_NO_PROXY}\n".encode(), _NO_PROXY)
        if request.method not in ("GET", "HEAD"):
            return Page(405, _TEXT, b"")
        match request.path:
            case "/metrics":
                body, kind = await self._metrics(request.headers.get("Accept", ""))
                return Page(200, kind, body)
            case "/livez":
                return Page(200, _TEXT, b"alive\n")
            case "/readyz":
                why_not = self._ready()
                return Page(503 if why_not else 200, _TEXT, f"{why_not or 'ready'}\n".encode())
            case _:
                return Page(404, _TEXT, b"see /metrics, /livez and /readyz\n")
