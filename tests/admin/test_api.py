"""The calls: routes, queries, problems, who may come in, and what is noted of it."""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from regproxy.admin.api import Api
from regproxy.admin.door import Door
from regproxy.admin.openapi import document
from regproxy.admin.route import Parameter, Route
from regproxy.admin.site import Site
from regproxy.admin.token import TokenFile
from regproxy.app.listeners import bind, bind_unix
from tests.admin.asking import Said, ask
from tests.lab.processes import free_port

TOKEN, NEXT = "0123456789abcdef", "fedcba9876543210"


async def echo(query: Mapping[str, str]) -> Mapping[str, object]:
    """Say it again."""
    if "bad" in query:
        raise ValueError("`bad` is wrong; leave it out")
    if "fault" in query:
        raise OSError("a disk is gone")
    return dict(query)


NAMES = tuple(Parameter(name, "what is said") for name in ("a", "b", "bad", "fault"))
ROUTES = (Route("GET", "/echo", echo, NAMES), Route("POST", "/change", echo, NAMES))


@pytest.mark.parametrize(
    ("method", "target", "status", "told"),
    [
        ("GET", "/api/v1/echo?a=1&b=x%20y", 200, {"a": "1", "b": "x y"}),
        ("GET", "/api/v1/echo", 200, {}),
        ("GET", "/api/v1/echo?bad=1", 400, "`bad` is wrong; leave it out"),
        ("GET", "/api/v1/echo?c=1", 400, "/echo has no parameter 'c'; see /api/v1/openapi.json"),
        ("GET", "/api/v1/echo?" + "&".join(f"a{n}=1" for n in range(30)), 400, "Max number of fields exceeded"),
        ("GET", "/api/v1/echo?fault=1", 500, "an internal error; the log says more"),
        ("GET", "/api/v1/nothing", 404, "there is no /api/v1/nothing here"),
        ("POST", "/api/v1/echo", 405, "/api/v1/echo takes GET"),
        ("GET", "/api/v2/echo", 404, "there is no /api/v2/echo here"),
    ],
)
def test_a_call_is_answered_or_says_what_is_wrong(method: str, target: str, status: int, told: object) -> None:
    async def story(path: Path) -> None:
        site = Site(Api(ROUTES, print), Door(), print)
        site.start([bind_unix(path)])
        try:
            found = await asyncio.to_thread(ask, path, method, target)
        finally:
            await site.stop()
        body = json.loads(found.body)
        assert found.status == status
        if status == 200:
            assert (found.headers["Content-Type"], body) == ("application/json", told)
        else:
            assert found.headers["Content-Type"] == "application/problem+json"
            assert (body["status"], body["detail"]) == (status, told)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory) / "a.sock"))


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (BEARER, 200),
        ({"Authorization": f"bearer  {TOKEN}"}, 200),
        ({}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer \xe9"}, 401),
        ({**BEARER, "Host": "admin.example:9129"}, 200),
        ({**BEARER, "Host": "[::1]:9129"}, 200),
        ({**BEARER, "Host": "evil.example"}, 421),
        ({**BEARER, "Host": "localhost.evil.example:9129"}, 421),
        ({**BEARER, "Host": "localhost", "Origin": "http://localhost"}, 200),
        ({**BEARER, "Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({**BEARER, "Host": "localhost", "Origin": "null"}, 403),
    ],
)
def test_at_an_address_only_who_knows_the_token_comes_in_and_only_by_its_name(
    tmp_path: Path, headers: Mapping[str, str], status: int
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    found, noted = asyncio.run(_asked(tmp_path / "token", headers, "GET", "/api/v1/echo"))
    assert (found.status, noted) == (status, [])
    assert ("Www-Authenticate" in found.headers) == (status == 401)


async def _asked(
    token_file: Path, headers: Mapping[str, str], method: str, target: str
) -> tuple[Said, list[dict[str, object]]]:
    noted: list[dict[str, object]] = []
    site = Site(Api(ROUTES, noted.append), Door(["admin.example"], TokenFile(token_file)), noted.append)
    listening = bind(f"127.0.0.1:{free_port()}")
    site.start([listening])
    try:
        return await asyncio.to_thread(ask, listening.getsockname()[1], method, target, headers), noted
    finally:
        await site.stop()


@pytest.mark.parametrize(
    ("query", "status"), [("a=1&b=2%0A3", 200), ("bad=1", 400), ("fault=1", 500), ("unknown=1", 400)]
)
def test_what_may_change_something_is_noted_with_who_asked_for_it(tmp_path: Path, query: str, status: int) -> None:
    (tmp_path / "token").write_text(TOKEN)
    found, noted = asyncio.run(_asked(tmp_path / "token", BEARER, "POST", f"/api/v1/change?{query}"))
    line = {"event": "admin", "who": "127.0.0.1", "call": "POST /change", "query": query, "status": status}
    assert (found.status, noted) == (status, [line])


def test_a_token_that_is_replaced_counts_at_once_and_a_file_that_is_gone_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "token"

    def status(token: str) -> int:
        return asyncio.run(_asked(path, {"Authorization": f"Bearer {token}"}, "GET", "/api/v1/echo"))[0].status

    for text, wanted in ((TOKEN, (200, 401)), (f"{TOKEN}\n{NEXT}\n", (200, 200)), (NEXT, (401, 200)), ("", (401, 401))):
        path.write_text(text)
        assert (status(TOKEN), status(NEXT)) == wanted
    path.unlink()
    assert status(NEXT) == 401


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"short", "16 to 1024 letters"),
        (b"0123456789abcdef\nshort", "16 to 1024 letters"),
        (b"x" * 1025, "16 to 1024 letters"),
        (b"0123456789abcdef\n" * 21, "16 to 1024 letters"),
        (b"\xff" * 20, "no file of tokens"),
        (b"x" * 40_000, "no file of tokens"),
    ],
)
def test_a_file_that_holds_no_token_says_so_without_its_words(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "token").write_bytes(text)
    with pytest.raises(ValueError, match=said) as caught:
        TokenFile(tmp_path / "token").read()
    assert "short" not in str(caught.value)


def test_the_api_describes_itself() -> None:
    told = json.loads(json.dumps(document("/api/v1", ROUTES)))
    assert told["openapi"].startswith("3.1")
    assert told["paths"]["/echo"]["get"]["summary"] == "Say it again."
    assert [one["name"] for one in told["paths"]["/change"]["post"]["parameters"]] == ["a", "b", "bad", "fault"]
