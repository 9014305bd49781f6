"""`/api/v1` on a Unix socket that only the proxy's own user can open; errors are problem+json (RFC 9457)."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

from tornado.httputil import HTTPServerRequest

from regproxy.admin.server import Page, Server

PREFIX = "/api/v1"
MAX_BODY = 64 * 1024
MAX_FIELDS = 20

Handler = Callable[[Mapping[str, str]], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Route:
    """One call: `handler` gets the query; it raises ValueError, a sentence, for a query that is wrong."""

    method: str
    path: str
    handler: Handler


class Api(Server):
    """Serves the routes."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        super().__init__(self._called, _problem(500, "an internal error; the log says more"), MAX_BODY)
        self._routes = {(route.method, f"{PREFIX}{route.path}"): route.handler for route in routes}

    async def _called(self, request: HTTPServerRequest) -> Page:
        handler = self._routes.get((request.method or "", request.path))
        if handler is None:
            allowed = [method for method, path in self._routes if path == request.path]
            if allowed:
                return _problem(405, f"{request.path} takes {' and '.join(allowed)}")
            return _problem(404, f"there is no {request.path[:200]} here")
        try:
            query = parse_qs(request.query, strict_parsing=bool(request.query), max_num_fields=MAX_FIELDS)
            found = await handler({name: values[-1] for name, values in query.items()})
        except ValueError as error:
            return _problem(400, str(error))
        return _json(200, "application/json", found)


def _problem(status: int, detail: str) -> Page:
    problem = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return _json(status, "application/problem+json", problem)


def _json(status: int, kind: str, found: Mapping[str, object]) -> Page:
    return Page(status, kind, json.dumps(found).encode() + b"\n")
