"""The straight line: who is refused before anything goes upstream, and what is passed unchanged."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regproxy.model.address import Authority
from regproxy.model.answer import RequestBody, Streaming
from regproxy.model.event import Outcome
from regproxy.model.message import field
from regproxy.model.registry import HostPattern
from regproxy.policy.connecting import ConnectTable
from tests.cache.world import QUAY, World, told
from tests.lab.answers import Answer
from tests.lab.images import sha256

DIGEST = sha256(b"x")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v2/a/manifests/../../b/manifests/x", 400),
        ("GET", "/v2/A/manifests/x", 400),
        ("GET", "/v2/a/nonsense/x", 404),
        ("GET", "/v1/_ping", 405),
        ("POST", "/v2/a/blobs/uploads/", 405),
        ("PATCH", "/v2/a/blobs/uploads/1", 405),
        ("PUT", "/v2/a/manifests/x", 405),
        ("DELETE", f"/v2/a/blobs/{DIGEST}", 405),
        ("OPTIONS", "/v2/a/tags/list", 405),
        ("get", "/v2/a/tags/list", 501),
        ("FOO_BAR", "/login", 501),
    ],
)
def test_what_is_refused_never_goes_upstream(tmp_path: Path, method: str, target: str, status: int) -> None:
    async def story(world: World) -> None:
        answer, body = await world.ask(method, target)
        assert answer.head.status == status
        assert answer.head.reason.startswith("regproxy: ")
        assert body.startswith(b'{"errors"')
        assert world.hostile.seen("quay.io") == []

    told(story, tmp_path)


def test_an_authority_that_left_the_policy_is_misdirected(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        answer, _ = await world.get("/v2/", authority=Authority("gone.example", 443))
        assert answer.head.status == 421

    told(story, tmp_path)


REGISTRY = Authority("registry.example", 443)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"name": "renamed"}, 401),
        ({"intercept": False}, 421),
        ({"scheme": "http"}, 421),
        ({"hosts": (HostPattern(REGISTRY.host, REGISTRY.port),), "aliases": (QUAY,)}, 421),
    ],
)
def test_a_connection_from_before_a_reload_is_misdirected_only_where_it_now_means_something_else(
    tmp_path: Path, changed: dict[str, Any], status: int
) -> None:
    async def story(world: World) -> None:
        table = world.policy.connecting
        blocks = tuple(replace(one, **changed) if one.name == "quay" else one for one in table.registries)
        world.policy = replace(world.policy, connecting=ConnectTable(blocks, table.tunnel))
        answer, _ = await world.get("/v2/")
        assert answer.head.status == status
        assert (field(answer.head.fields, "connection") == "close") == (status == 421)

    told(story, tmp_path)


def test_other_paths_pass_unchanged_both_ways(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        fields = (("Set-Cookie", "session=1"), ("Content-Type", "text/html"), ("X-Theirs", "y"))
        world.hostile.on("quay.io", "/login", Answer(302, (*fields, ("Location", "/home")), b"moved"))
        ours, theirs = socket.socketpair()
        ours.sendall(b"user=u&password=p")
        ours.close()
        body = RequestBody(theirs.detach(), 17)
        answer, text = await world.ask("POST", "/login", ("Cookie", "a=b"), ("X-Mine", "z"), body=body)
        assert (answer.head.status, text) == (302, b"moved")
        assert field(answer.head.fields, "set-cookie") == "session=1"
        assert field(answer.head.fields, "location") == "/home"
        assert field(answer.head.fields, "x-theirs") == "y"
        sent = world.hostile.seen("quay.io", "/login")[0]
        assert (sent.field("cookie"), sent.field("x-mine"), sent.body) == ("a=b", "z", b"user=u&password=p")

    told(story, tmp_path)


def test_a_body_that_comes_slowly_goes_up_as_it_comes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/upload", Answer(201, body=b"done"))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        asked = asyncio.create_task(world.ask("PUT", "/upload", body=RequestBody(theirs.detach(), None)))
        for _ in range(40):
            await loop.sock_sendall(ours, b"x" * 100_000)
        ours.close()
        answer, _ = await asked
        assert isinstance(answer, Streaming)
        assert answer.head.status == 201
        assert world.hostile.seen("quay.io", "/upload")[0].body == b"x" * 4_000_000

    told(story, tmp_path)


def test_lists_are_kept_for_their_time_with_their_links(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/tags/list?n=1"
        link = '</v2/a/b/tags/list?n=1&last=x>; rel="next"'
        listed = Answer(200, (("Content-Type", "application/json"), ("Link", link)), b'{"tags":["x"]}')
        world.hostile.on("quay.io", "/v2/a/b/tags/list", listed)
        world.hostile.on("quay.io", path, listed)
        for expected in (Outcome.MISS, Outcome.HIT):
            answer, body = await world.get(path)
            assert (answer.labels.outcome, body) == (expected, b'{"tags":["x"]}')
            assert field(answer.head.fields, "link") == link
        world.now += 31
        assert await world.outcome(path) is Outcome.REVALIDATED
        world.hostile.stop()
        world.now += 31
        assert await world.outcome(path) is Outcome.STALE
        world.now += 4000
        assert (await world.get(path))[0].head.status == 502

    told(story, tmp_path)


def test_what_is_cached_survives_a_restart_with_the_registry_dead(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("latest", b"{}")
        await world.get("/v2/a/b/manifests/latest")
        world.hostile.stop()
        await world.restart()
        assert await world.outcome("/v2/a/b/manifests/latest") is Outcome.HIT
        assert await world.outcome(f"/v2/a/b/manifests/{digest}") is Outcome.HIT

    told(story, tmp_path)
