"""`/api/v1`: the calls, for programs and for the pages alike; errors are problem+json (RFC 9457)."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

from tornado.httputil import HTTPServerRequest

from regproxy.admin.openapi import document
from regproxy.admin.route import NotHereError, Route
from regproxy.admin.server import Page

PREFIX = "/api/v1"
MAX_FIELDS = 20

Audit = Callable[[dict[str, object]], None]


class Api:
    """Answers the calls; `audit` gets a line for each that may have changed something."""

    def __init__(self, routes: tuple[Route, ...], audit: Audit) -> None:
        self._audit = audit
        self._document = document(PREFIX, (*routes, Route("GET", "/openapi.json", self.openapi)))
        self._routes = {(route.method, route.path): route for route in routes}
        self._routes["GET", "/openapi.json"] = Route("GET", "/openapi.json", self.openapi)

    async def openapi(self, _query: Mapping[str, str]) -> Mapping[str, object]:
        """This document."""
        return self._document

    async def call(self, who: str, method: str, path: str, query: Mapping[str, str]) -> Mapping[str, object]:
        """What the call brings; raises KeyError where there is none, ValueError, a sentence, for a wrong query."""
        route = self._routes[method, path]
        status = 500
        try:
            unknown = query.keys() - {one.name for one in route.parameters}
            if unknown:
                raise ValueError(f"{path} has no parameter {min(unknown)[:80]!r}; see {PREFIX}/openapi.json")
            found = await route.handler(query)
            status = 200
            return found
        except ValueError as error:
            status = _status(error)
            raise
        finally:
            if method != "GET":
                self._audit(
                    {"event": "admin", "who": who, "call": f"{method} {path}", "query": urlencode(query)}
                    | {"status": status}
                )

    async def answer(self, request: HTTPServerRequest, who: str) -> Page:
        """The page of a request below the prefix."""
        method, path = request.method or "", request.path.removeprefix(PREFIX)
        if (method, path) not in self._routes:
            allowed = [known for known, place in self._routes if place == path]
            if allowed:
                return problem(405, f"{request.path} takes {' and '.join(allowed)}")
            return problem(404, f"there is no {request.path[:200]} here")
        try:
            query = parse_qs(request.query, strict_parsing=bool(request.query), max_num_fields=MAX_FIELDS)
            found = await self.call(who, method, path, {name: values[-1] for name, values in query.items()})
        except ValueError as error:
            return problem(_status(error), str(error))
        return answered(found)


def _status(error: ValueError) -> int:
    return 404 if isinstance(error, NotHereError) else 400


def answered(found: Mapping[str, object]) -> Page:
    """What a call brought."""
    return _json(200, "application/json", found)


def problem(status: int, detail: str) -> Page:
    """A refusal, with its reason."""
    told = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return _json(status, "application/problem+json", told)


def _json(status: int, kind: str, found: Mapping[str, object]) -> Page:
    return Page(status, kind, json.dumps(found).encode() + b"\n")
