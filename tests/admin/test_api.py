"""The admin socket's calls: routes, queries and problems."""

import asyncio
import http.client
import json
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from regproxy.admin.api import Api, Route
from regproxy.app.listeners import bind_unix


async def echo(query: Mapping[str, str]) -> Mapping[str, object]:
    if "bad" in query:
        raise ValueError("`bad` is wrong; leave it out")
    if "fault" in query:
        raise OSError("a disk is gone")
    return dict(query)


def ask(path: Path, method: str, target: str) -> tuple[int, str, object]:
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "target", "status", "told"),
    [
        ("GET", "/api/v1/echo?a=1&b=x%20y", 200, {"a": "1", "b": "x y"}),
        ("GET", "/api/v1/echo", 200, {}),
        ("GET", "/api/v1/echo?bad=1", 400, "`bad` is wrong; leave it out"),
        ("GET", "/api/v1/echo?" + "&".join(f"a{n}=1" for n in range(30)), 400, "Max number of fields exceeded"),
        ("GET", "/api/v1/echo?fault=1", 500, "an internal error; the log says more"),
        ("GET", "/api/v1/nothing", 404, "there is no /api/v1/nothing here"),
        ("POST", "/api/v1/echo", 405, "/api/v1/echo takes GET"),
        ("GET", "/api/v2/echo", 404, "there is no /api/v2/echo here"),
    ],
)
def test_a_call_is_answered_or_says_what_is_wrong(method: str, target: str, status: int, told: object) -> None:
    async def story(path: Path) -> None:
        api = Api((Route("GET", "/echo", echo),))
        api.start([bind_unix(path)])
        try:
            found, kind, body = await asyncio.to_thread(ask, path, method, target)
        finally:
            await api.stop()
        assert found == status
        if status == 200:
            assert (kind, body) == ("application/json", told)
        else:
            assert kind == "application/problem+json"
            assert isinstance(body, dict)
            assert (body["status"], body["detail"]) == (status, told)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory) / "a.sock"))
