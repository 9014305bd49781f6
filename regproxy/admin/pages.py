"""The pages that people look after the proxy by: made here whole, without scripts, from what the API says."""

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tornado.escape import url_escape
from tornado.template import Loader

from regproxy.admin.api import Api
from regproxy.admin.server import Page
from regproxy.model.brief import exchange, rounded, short, span, standing, took
from regproxy.model.hit_ratio import asked_and_kept

LINKS = (
    ("/", "Overview"),
    ("/images", "Images"),
    ("/upstreams", "Registries"),
    ("/policy", "Policy"),
    ("/grants", "Grants"),
    ("/activity", "Activity"),
)
ROWS = 100  # images on one page
MAX_LINES = 200  # of what a call brought
LIVE_SECONDS = 2
_TONES = {"fresh": "good", "held": "good", "stale": "warn", "expired": "warn", "gone": "bad"}
_ACTS = {"test": "Test", "block": "Block for an hour", "unblock": "Unblock"}
# Pages that others lead to, by the one that is marked as where the reader is.
_BELOW = {"/image": "/images", "/trace": "/activity"}
_FILES = {"/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"}
_TEMPLATES = Path(__file__).parent / "templates"
# Nothing from elsewhere, no script, no frame of another site around it, no form to another site.
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"
HEADERS = (
    ("Content-Security-Policy", f"{_POLICY}; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
)


class Pages:
    """Makes pages; `form` is what their forms must hold."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._loader = Loader(str(_TEMPLATES))

    def made(self, name: str, here: str, form: str = "", code: int = 200, **values: Any) -> Page:
        """A page of a template."""
        known = {
            "now": time.time(),
            "rounded": rounded,
            "span": span,
            "short": short,
            "took": took,
            "url_escape": url_escape,
        }
        given = {"links": LINKS, "leaves": False, "here": here, "form": form, **known, **values}
        return Page(code, "text/html; charset=utf-8", self._loader.load(name).generate(**given), headers=HEADERS)

    async def page(self, path: str, query: Mapping[str, str], form: str, leaves: bool) -> Page | None:
        """The page at that path, None where there is none; `leaves`: who reads it can log out."""
        match path:
            case "/":
                name, values = "overview.html", await self._overview()
            case "/images":
                name, values = "images.html", await self._images(query)
            case "/image":
                name, values = "image.html", await self._image(query.get("ref", ""))
            case "/upstreams":
                name, values = "upstreams.html", await self._upstreams()
            case "/policy":
                name, values = "policy.html", await self._policy(query)
            case "/grants":
                name, values = "grants.html", await self._grants(query)
            case "/activity":
                name, values = "activity.html", await self._activity(query)
            case "/trace":
                name, values = "trace.html", await self._trace(query)
            case _:
                return None
        return self.made(name, _BELOW.get(path, path), form, leaves=leaves, **values)

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return dict(await self._api.call("page", "GET", path, query or {}))

    async def _overview(self) -> dict[str, Any]:
        status = await self._get("/status")
        requests, kept = asked_and_kept(status["requests"])
        sent = status["response_bytes"]
        upstreams = status["upstreams"]
        standings = [(one["authority"], *standing(one, time.time())) for one in upstreams]
        return {
            "status": status,
            "cache": status["cache"],
            "requests": requests,
            "kept": kept,
            "sent": sum(sent.values()),
            "saved": sent.get("cache", 0.0),
            "allowed": [(one["authority"], each) for one in upstreams for each in one["allowed"]],
            "troubled": [(name, word) for name, word, tone in standings if tone != "good"],
            "percent": lambda part, whole: f"{part / whole:.0%}",
        }

    async def _images(self, query: Mapping[str, str]) -> dict[str, Any]:
        match, after = query.get("match", "").strip(), query.get("after", "")
        pattern, problem = _pattern(match), ""
        told: dict[str, Any] = {"images": [], "next": None}
        try:
            told = await self._get("/images", {"match": pattern, "after": after, "limit": str(ROWS), "platforms": "1"})
        except ValueError as error:
            problem = str(error)
        tone = lambda state: _TONES.get(state, "dim")  # noqa: E731 -- a word of the template
        return {**told, "match": match, "pattern": pattern, "after": after, "problem": problem, "tone": tone}

    async def _image(self, reference: str) -> dict[str, Any]:
        told = await self._get("/image", {"ref": reference})
        nodes = _nodes(told["tree"])
        missing = [node for _, node in nodes if not node["here"]]
        tagged = "@" not in reference
        history = (await self._get("/image/history", {"ref": reference}))["history"] if tagged else []
        return {
            "image": told["image"],
            "nodes": nodes,
            "counted": {
                "here": len(nodes) - len(missing),
                "all": len(nodes),
                "bytes": sum(node["size"] for node in missing),
            },
            "tagged": tagged,
            "history": history,
            "place": f"/image?ref={url_escape(reference)}",
        }

    async def _upstreams(self) -> dict[str, Any]:
        now = time.time()
        found = (await self._get("/upstreams"))["upstreams"]
        return {"upstreams": [(one, *standing(one, now)) for one in found], "acts": _ACTS}

    async def _policy(self, query: Mapping[str, str]) -> dict[str, Any]:
        policy = await self._get("/policy")
        ref, client = query.get("ref", "").strip(), query.get("client", "").strip()
        explained, problem = "", ""
        if ref:
            try:
                explained = (await self._get("/explain", {"ref": ref, "client": client}))["text"]
            except ValueError as error:
                problem = str(error)
        return {"policy": policy, "ref": ref, "client": client, "explained": explained, "problem": problem}

    async def _grants(self, query: Mapping[str, str]) -> dict[str, Any]:
        repository, problem = query.get("repository", "").strip(), ""
        told: dict[str, Any] = {"public": [], "lent": [], "own": []}
        try:
            told = await self._get("/grants", {"repository": repository})
        except ValueError as error:
            problem = str(error)
        # Callers with a login first: they are the fewest, and whom an operator looks for.
        rows = [*told["own"], *told["lent"], *({**one, "name": "anyone"} for one in told["public"])]
        return {"repository": repository, "problem": problem, "rows": rows[:MAX_LINES], "more": len(rows) - MAX_LINES}

    async def _trace(self, query: Mapping[str, str]) -> dict[str, Any]:
        reference, problem = query.get("ref", "").strip(), ""
        exchanges: list[Mapping[str, Any]] = []
        if reference:
            try:
                exchanges = (await self._get("/trace", {"ref": reference}))["exchanges"]
            except ValueError as error:
                problem = str(error)
        # The latest first.
        shown = [(exchange(one), one.get("request", ()), one.get("answer", ())) for one in reversed(exchanges)]
        return {"ref": reference, "exchanges": shown, "problem": problem}

    async def _activity(self, query: Mapping[str, str]) -> dict[str, Any]:
        jobs = (await self._get("/prefetch"))["jobs"]
        fetches = (await self._get("/fetches"))["fetches"]
        return {"fetches": fetches, "jobs": jobs, "live": query.get("live") == "1"}


def file(path: str) -> Page | None:
    """A file that pages need, if that is one."""
    return _read(path) if path in _FILES else None


@cache
def _read(path: str) -> Page:
    return Page(200, _FILES[path], (_TEMPLATES / path[1:]).read_bytes(), headers=HEADERS)


def _pattern(text: str) -> str:
    """A pattern for what people write into a filter: a word means all that have it in their name."""
    return f"**{text}**" if text and "/" not in text and "*" not in text else text


def _nodes(node: Mapping[str, Any], depth: int = 0) -> list[tuple[int, Mapping[str, Any]]]:
    """A tree as rows, each with its depth."""
    return [(depth, node), *(row for child in node.get("children", ()) for row in _nodes(child, depth + 1))]
