"""What is behind one door: the API for programs, hooks for registries, and pages for people."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from tornado.httputil import HTTPServerRequest

from regproxy.admin.api import MAX_FIELDS, Api, Audit, problem
from regproxy.admin.door import Door
from regproxy.admin.hooks import HOOKS, Hooks
from regproxy.admin.outcome import TITLES, lines
from regproxy.admin.pages import HEADERS, LIVE_SECONDS, MAX_LINES, Pages, file
from regproxy.admin.server import Page, Server
from regproxy.admin.sessions import Sessions

MAX_BODY = 256 * 1024
MAX_BACK = 2048
_TEXT = "text/plain; charset=utf-8"
_CHALLENGE = (("WWW-Authenticate", 'Bearer realm="regproxy"'),)
_ACT = "/act"


class Site(Server):
    """Serves whom the door lets in."""

    def __init__(self, api: Api, door: Door, audit: Audit) -> None:
        super().__init__(self._page, problem(500, "an internal error; the log says more"), MAX_BODY)
        self._api = api
        self._door = door
        self._audit = audit
        self._hooks = Hooks(api, door)
        self._pages = Pages(api)
        self._sessions = Sessions(door.tokens)

    async def _page(self, request: HTTPServerRequest) -> Page:
        refusal = self._door.refusal(request)
        if refusal is not None:
            return problem(*refusal)
        if request.path.startswith(HOOKS):
            return await self._hooks.answer(request)
        if request.path.startswith("/api/"):
            if not await self._door.opens(request):
                wanted = "the token of --admin-token-file is asked for, as `Authorization: Bearer TOKEN`"
                return replace(problem(401, wanted), headers=_CHALLENGE)
            return await self._api.answer(request, self._door.who(request))
        found = file(request.path)
        if found is not None:
            return found
        match request.method:
            case "GET" | "HEAD":
                return await self._shown(request)
            case "POST":
                return await self._done(request)
            case _:
                return Page(405, _TEXT, b"", headers=HEADERS)

    async def _shown(self, request: HTTPServerRequest) -> Page:
        cookies = request.headers.get("Cookie", "")
        if not await self._sessions.holds(cookies):
            return self._pages.made("login.html", "", code=200 if request.path == "/login" else 401, failed=False)
        if request.path == "/login":
            return _led_to("/")
        form, leaves = self._sessions.form(cookies), self._sessions.asked_for
        try:
            query = _fields(request.query)
            found = await self._pages.page(request.path, query, form, leaves)
        except ValueError as error:
            return self._told("That is not here", 404, leaves=leaves, problem=str(error))
        if found is None:
            return self._told("There is no such page", 404, leaves=leaves, form=form)
        if request.path == "/activity" and query.get("live") == "1":
            return replace(found, headers=(*HEADERS, ("Refresh", str(LIVE_SECONDS))))
        return found

    def _told(self, title: str, status: int, **values: Any) -> Page:
        told: dict[str, Any] = {"lines": [], "more": 0, "again": None, "back": "/", "problem": "", **values}
        return self._pages.made("done.html", "", code=status, title=title, **told)

    async def _done(self, request: HTTPServerRequest) -> Page:
        try:
            fields = _fields(request.body.decode())
        except ValueError as error:
            return self._told("That was no form", 400, problem=str(error))
        if request.path == "/login":
            return await self._login(request, fields)
        cookies = request.headers.get("Cookie", "")
        if not await self._sessions.holds(cookies):
            return self._pages.made("login.html", "", code=401, failed=False)
        if not self._sessions.is_form(cookies, fields.pop("form", "")):
            return self._told("That form is old", 403, problem="Go back, show the page anew, and send it again.")
        if request.path == "/logout":
            return _led_to("/login", ("Set-Cookie", self._sessions.end()))
        return await self._act(request, fields)

    async def _login(self, request: HTTPServerRequest, fields: Mapping[str, str]) -> Page:
        cookie = await self._sessions.begin(fields.get("token", ""))
        line = {"event": "admin", "who": self._door.who(request), "call": "login", "query": ""}
        self._audit({**line, "status": 200 if cookie is not None else 401})
        if cookie is None:
            return self._pages.made("login.html", "", code=401, failed=True)
        return _led_to("/", ("Set-Cookie", cookie))

    async def _act(self, request: HTTPServerRequest, fields: dict[str, str]) -> Page:
        """Make a call, and say what it brought; one that only asks what would be has a form to do it."""
        path = request.path.removeprefix(_ACT)
        cookies = request.headers.get("Cookie", "")
        form = self._sessions.form(cookies)
        shown: dict[str, Any] = {
            "form": form,
            "leaves": self._sessions.asked_for,
            "back": _local(fields.pop("back", "/")),
        }
        title = TITLES.get(path)
        if title is None or not request.path.startswith(_ACT):
            return self._told("There is no such page", 404, **shown)
        query = {name: value for name, value in fields.items() if value}
        try:
            told = await self._api.call(self._door.who(request), "POST", path, query)
        except ValueError as error:
            return self._told(title, 400, problem=str(error), **shown)
        said = lines(path, told, time.time())
        again = None
        if query.pop("dry-run", "") == "1":
            title = f"{title}: what it would do"
            is_something = told.get("images") or "ref" in query
            again = {**query, "form": form, "back": shown["back"]} if is_something else None
        more = max(0, len(said) - MAX_LINES)
        return self._told(title, 200, lines=said[:MAX_LINES], more=more, again=again, action=request.path, **shown)


def _fields(text: str) -> dict[str, str]:
    """The fields of a query or a form; raises ValueError for too many."""
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))


def _local(place: str) -> str:
    """Where to go back to: a page of ours, and no other site's; browsers drop tabs and ends of lines from addresses."""
    ours = place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable()
    return place if ours and len(place) < MAX_BACK else "/"


def _led_to(place: str, *headers: tuple[str, str]) -> Page:
    return Page(303, _TEXT, b"", headers=(*HEADERS, ("Location", place), *headers))
