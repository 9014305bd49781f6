"""Pings and tokens: one challenge, ours; anonymous callers never go upstream for it, logins are asked about."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from regproxy.cache import login
from regproxy.model.answer import Reply, RequestBody
from regproxy.model.event import Outcome
from regproxy.model.message import field
from tests.cache.world import ANONYMOUS, World, told
from tests.lab.answers import Answer, Received
from tests.lab.vault import basic

CHALLENGE = 'Bearer realm="https://quay.io/token",service="quay.io"'
TOKEN = "/v2/_regproxy/token"
OURS = 'Bearer realm="https://quay.io/v2/_regproxy/token",service="quay.io"'


def test_a_ping_meets_our_challenge_and_our_token_opens_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/", Answer(401, (("WWW-Authenticate", CHALLENGE),)))
        answer, _ = await world.get("/v2/")
        assert answer.head.status == 401
        assert field(answer.head.fields, "www-authenticate") == OURS
        answer, body = await world.get(TOKEN + "?scope=repository:a/b:pull&service=quay.io")
        token = json.loads(body)["token"]
        assert token == json.loads(body)["access_token"]
        assert "issued_at" not in json.loads(body)
        answer, _ = await world.get("/v2/", ("Authorization", f"Bearer {token}"))
        assert (answer.head.status, answer.labels.outcome) == (200, Outcome.LOCAL)
        assert world.asked() == ["GET"]

    told(story, tmp_path)


def test_a_ping_is_answered_with_the_registry_dead(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.stop()
        answer, _ = await world.get("/v2/")
        assert field(answer.head.fields, "www-authenticate") == OURS
        assert (await world.get(TOKEN))[0].head.status == 200

    told(story, tmp_path)


def test_a_registry_that_knows_only_basic_is_shown_as_basic(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/", Answer(401, (("WWW-Authenticate", 'Basic realm="x"'),)))
        answer, _ = await world.get("/v2/")
        assert field(answer.head.fields, "www-authenticate") == 'Basic realm="quay.io"'

    told(story, tmp_path)


def test_a_login_reaches_the_realm_by_header_and_by_form_and_stays_there(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/", Answer(401, (("WWW-Authenticate", CHALLENGE),)))
        world.hostile.on("quay.io", "/token", Answer(200, (("Content-Type", "application/json"),), b'{"token":"t"}'))
        query = "?scope=repository:a/b:pull&service=quay.io"
        _, body = await world.get(TOKEN + query, ("Authorization", "Basic dTpw"))
        assert json.loads(body)["token"].startswith("regproxy-login.v1.")
        asked = world.hostile.seen("quay.io", "/token")
        assert [one.field("authorization") for one in asked] == ["Basic dTpw"]
        form = b"grant_type=password&username=u&password=p&service=quay.io&scope=repository:a/b:pull"
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        _, body = await world.ask("POST", TOKEN, kind, body=_body(form))
        assert json.loads(body)["token"].startswith("regproxy-login.v1.")
        assert len(world.hostile.seen("quay.io", "/token")) == 1, "it is the same login"
        refresh = b"grant_type=refresh_token&refresh_token=r&service=quay.io&scope=repository:a/b:pull"
        assert (await world.ask("POST", TOKEN, kind, body=_body(refresh)))[0].head.status == 200
        posted = world.hostile.seen("quay.io", "/token")[-1]
        assert (posted.method, b"refresh_token=r" in posted.body) == ("POST", True)
        assert not any(b"dTpw" in path.read_bytes() for path in world.directory.rglob("*") if path.is_file())

    told(story, tmp_path)


@pytest.mark.parametrize("value", ["Bearer x", "Basic !!", "Negotiate x", "Basic " + "dTpw" * 4000])
def test_what_is_no_login_gets_no_token(value: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        answer, body = await world.get(TOKEN, ("Authorization", value))
        assert (answer.head.status, value.encode() in body) == (401, False)

    told(story, tmp_path)


def test_a_login_that_never_ends_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        monkeypatch.setattr(login, "FORM_SECONDS", 0.05)
        ours, theirs = socket.socketpair()
        with ours:
            ours.sendall(b"username=u")
            async with asyncio.timeout(5):
                answer, _ = await world.ask("POST", TOKEN, body=RequestBody(theirs.detach(), 100))
            assert answer.head.status == 408
            assert ours.recv(1) == b"", "the core's end is closed"

    told(story, tmp_path)


def test_a_private_image_is_a_401_with_our_challenge_and_our_token_never_leaves(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/a/b/manifests/x", Answer(401, (("WWW-Authenticate", CHALLENGE),)))
        world.hostile.on("quay.io", "/token", Answer(200, body=b'{"token":"anonymous-upstream"}'))
        answer, _ = await world.get("/v2/a/b/manifests/x", ANONYMOUS)
        assert isinstance(answer, Reply)
        assert answer.head.status == 401
        assert field(answer.head.fields, "www-authenticate") == OURS + ',scope="repository:a/b:pull"'
        sent = [each.field("authorization") for each in world.hostile.seen("quay.io")]
        assert not any("regproxy" in value for value in sent)
        assert "Bearer anonymous-upstream" in sent

    told(story, tmp_path)


def test_a_login_that_may_not_read_one_repository_gets_its_token_for_another_at_the_same_moment(tmp_path: Path) -> None:
    """GitLab's token service answers 403 where others give a token that opens nothing."""

    def service(received: Received) -> Answer:
        return Answer(403) if "a/b" in received.target else Answer(body=b'{"token":"t"}')

    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/", Answer(401, (("WWW-Authenticate", CHALLENGE),)))
        world.hostile.on("quay.io", "/token", service)
        asked = [world.get(f"{TOKEN}?scope=repository:{name}:pull", basic("u", "p")) for name in ("a/b", "c/d")]
        assert [answer.head.status for answer, _ in await asyncio.gather(*asked)] == [401, 200]

    told(story, tmp_path)


def test_a_challenge_survives_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/", Answer(401, (("WWW-Authenticate", CHALLENGE),)))
        await world.get("/v2/")
        await world.restart()
        await world.get("/v2/")
        assert world.asked() == ["GET"]

    told(story, tmp_path)


def _body(data: bytes) -> RequestBody:
    ours, theirs = socket.socketpair()
    ours.sendall(data)
    ours.close()
    return RequestBody(theirs.detach(), len(data))
