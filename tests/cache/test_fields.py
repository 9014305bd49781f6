"""What travels on under /v2/: the fields that registries and clients need, and no others, in either direction."""

import socket
from pathlib import Path

from regproxy.model.answer import RequestBody
from regproxy.model.message import Fields
from tests.cache.world import World, told
from tests.lab.answers import Answer
from tests.lab.images import sha256

LAYER = b"layer"
DIGEST = sha256(LAYER)
LOGIN = ("Authorization", "Basic YWxpY2U6d29uZGVybGFuZA==")
# Asked of us, or of nobody: credentials for others, hop-by-hop fields, and what makes servers do other things.
STRANGE: Fields = (
    *(("Cookie", "session=1"), ("Proxy-Authorization", "Basic cDpw"), ("X-Registry-Auth", "e30="), ("Origin", "evil")),
    *(("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=1"), ("X-Forwarded-Host", "evil"), ("Via", "1.1 x")),
    *(("X-Original-URL", "/admin"), ("X-Rewrite-URL", "/admin"), ("X-HTTP-Method-Override", "DELETE")),
    *(("Connection", "X-Listed, close"), ("X-Listed", "1"), ("TE", "trailers"), ("Trailer", "X"), ("Upgrade", "h2c")),
    *(("HTTP2-Settings", "AAMAAABk"), ("Keep-Alive", "1"), ("Proxy-Connection", "close"), ("Expect", "100-continue")),
    *(("Accept-Encoding", "gzip"), ("Accept-Language", "de"), ("Referer", "http://x/"), ("Cache-Control", "no-cache")),
    *(
        ("Traceparent", "00-1-1-00"),
        ("Early-Data", "1"),
        ("Max-Forwards", "0"),
        ("From", "a@b"),
        ("Pragma", "no-cache"),
    ),
)
WRITTEN_BY_US = {"host", "user-agent", "accept", "accept-encoding"}
TOLD: Fields = (
    *(("Set-Cookie", "a=b"), ("Alt-Svc", 'h3=":443"'), ("Strict-Transport-Security", "max-age=1"), ("Server", "nginx")),
    *(("X-Powered-By", "x"), ("Clear-Site-Data", "*"), ("Refresh", "0; url=/"), ("Link-Template", "x")),
    *(("Access-Control-Allow-Origin", "*"), ("Proxy-Authenticate", "Basic"), ("Public-Key-Pins", "x")),
    *(("X-Docker-Registry-Proxy-Cache-Type", "forged"), ("Content-Disposition", "attachment"), ("NEL", "{}")),
)
TOLD_ON: Fields = (("ETag", '"1"'), ("Docker-Content-Digest", DIGEST), ("RateLimit-Remaining", "9;w=1"))


def test_nothing_strange_reaches_a_registry_or_a_client(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        requests = [
            ("GET", "/v2/a/b/manifests/passed", ()),
            ("HEAD", "/v2/a/b/manifests/passed", ()),
            ("GET", "/v2/a/b/tags/list", ()),
            ("GET", f"/v2/a/b/blobs/{DIGEST}", ()),
            ("GET", f"/v2/a/c/blobs/{DIGEST}", (LOGIN,)),
            ("GET", "/v2/", (LOGIN,)),
            ("POST", "/v2/a/b/blobs/uploads/", (LOGIN,)),
            ("PUT", "/v2/a/b/manifests/1", (LOGIN,)),
        ]
        for method, target, login in requests:
            world.hostile.requests.clear()
            world.hostile.on("quay.io", target, Answer(200, (*TOLD, *TOLD_ON), LAYER))
            answer, _ = await world.ask(method, target, *STRANGE, *login)
            assert world.hostile.requests, target
            for received in world.hostile.requests:
                names = {name.lower() for name, _ in received.fields}
                assert names <= WRITTEN_BY_US | {"content-length"} | ({"authorization"} if login else set()), target
            shown = {name.lower() for name, _ in answer.head.fields}
            assert shown.isdisjoint(name.lower() for name, _ in TOLD), target
            assert {"docker-content-digest"} <= shown or method == "GET"

    told(story, tmp_path, more=("push allow;",))


def test_a_get_of_a_registry_has_no_body(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for method, target in (("GET", "/v2/a/b/manifests/1"), ("HEAD", "/v2/a/b/tags/list"), ("GET", "/v2/")):
            ours, theirs = socket.socketpair()
            with ours:
                answer, _ = await world.ask(method, target, body=RequestBody(theirs.detach(), 6))
            assert answer.head.status == 400
            assert answer.head.get("connection") == "close"
        assert world.asked() == []

    told(story, tmp_path)
