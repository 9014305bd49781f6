"""Pushes through a registry that allows them: end to end, and what they change is dropped at once."""

import asyncio
import socket
from pathlib import Path
from threading import Event

import pytest

from regproxy.model.answer import Ask, Forget, RequestBody
from regproxy.model.event import Outcome
from tests.cache.world import GHCR, MANIFEST_TYPE, QUAY, World, told
from tests.lab.answers import Answer, Received, manifest
from tests.lab.images import sha256

ALLOWED = ("push allow;",)
OLD, NEW = b'{"schemaVersion":2,"layers":[]}', b'{"schemaVersion":2,"layers":[],"annotations":{}}'
LOGIN = ("Authorization", "Basic YWxpY2U6d29uZGVybGFuZA==")
PULLED = ("Accept", f"{MANIFEST_TYPE}, application/vnd.oci.image.index.v1+json")
LAYER = sha256(b"layer")


def body(data: bytes, size: int | None = None) -> RequestBody:
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(data)
    return RequestBody(theirs.detach(), size)


PUSHES = [
    ("POST", "/v2/a/b/blobs/uploads/"),
    ("PATCH", "/v2/a/b/blobs/uploads/1"),
    ("PUT", f"/v2/a/b/blobs/uploads/1?digest={LAYER}"),
    ("GET", "/v2/a/b/blobs/uploads/1"),
    ("DELETE", "/v2/a/b/blobs/uploads/1"),
    ("PUT", "/v2/a/b/manifests/1"),
    ("POST", "/v2/a/b/manifests/1"),
    ("DELETE", "/v2/a/b/manifests/1"),
    ("DELETE", f"/v2/a/b/blobs/{LAYER}"),
    ("PUT", "/v2/a/b/tags/list"),
    ("PATCH", "/v2/_catalog"),
]


def test_a_registry_whose_block_does_not_say_so_is_not_pushed_to(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for method, target in PUSHES:
            answer, text = await world.ask(method, target, LOGIN, authority=GHCR)
            assert answer.head.status == 405, (method, target)
            assert answer.head.get("allow") == "GET, HEAD"
            assert b'"code": "UNSUPPORTED"' in text
            assert b"pushing through this proxy is not allowed" in text
        assert world.hostile.requests == []

    told(story, tmp_path, more=ALLOWED)


@pytest.mark.parametrize("size", [9, None], ids=["with a length", "chunked"])
def test_a_push_reaches_the_registry_as_the_client_sent_it(size: int | None, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        fields = (("Docker-Upload-UUID", "1"), ("Range", "0-8"), ("OCI-Chunk-Min-Length", "5"), ("Set-Cookie", "a=b"))
        world.hostile.on("quay.io", "/v2/a/b/blobs/uploads/1", Answer(202, fields))
        sent = (LOGIN, ("Content-Type", "application/octet-stream"), ("Content-Range", "0-8"), ("Cookie", "a=b"))
        target = "/v2/a/b/blobs/uploads/1?x=y"
        answer, _ = await world.ask("PATCH", target, *sent, body=body(b"some blob", size))
        assert answer.head.status == 202
        assert answer.labels.outcome is Outcome.PASS
        assert [answer.head.get(name) for name, _ in fields] == ["1", "0-8", "5", None]
        (received,) = world.hostile.seen("quay.io")
        assert (received.target, received.body) == (target, b"some blob")
        assert [received.field(name) for name, _ in sent] == [*(value for _, value in sent[:-1]), ""]
        assert received.field("transfer-encoding") == ("chunked" if size is None else "")

    told(story, tmp_path, more=ALLOWED)


def test_our_anonymous_token_is_not_pushed_with(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/a/b/blobs/uploads/", Answer(202))
        await world.ask("POST", "/v2/a/b/blobs/uploads/", ("Authorization", "Bearer regproxy-anonymous.v1"))
        assert world.hostile.seen("quay.io")[0].field("authorization") == ""

    told(story, tmp_path, more=ALLOWED)


HUGE = "https://quay.io/" + "x" * 5000


PLACES: list[tuple[str, str | None]] = [
    ("/v2/a/b/blobs/uploads/1?_state=a%2Fb", "/v2/a/b/blobs/uploads/1?_state=a%2Fb"),
    ("1?_state=s", "/v2/a/b/blobs/uploads/1?_state=s"),
    ("https://quay.io/v2/a/b/blobs/uploads/1", "/v2/a/b/blobs/uploads/1"),
    ("https://QUAY.io:443/artifacts-uploads/1", "/artifacts-uploads/1"),
    (
        "https://cdn.quay.io/up/1?sig=a%2Bb",
        "/v2/a/b/blobs/uploads/_regproxy?at=https%3A%2F%2Fcdn.quay.io%3A443%2Fup%2F1%3Fsig%3Da%252Bb",
    ),
    ("https://evil.example/1", None),
    ("https://quay.io.evil.example/1", None),
    ("https://ghcr.io/v2/a/b/blobs/uploads/1", None),
    ("http://quay.io/v2/a/b/blobs/uploads/1", None),
    ("http://cdn.quay.io/up/1", None),
    ("https://user@quay.io/v2/", None),
    ("//evil.example/1", None),
    ("https:\\\\evil.example/1", None),
    ("file:///etc/passwd", None),
    (HUGE, None),
]


def test_an_upload_goes_on_at_the_registry_or_nowhere(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for location, shown in PLACES:
            world.hostile.on("quay.io", "/v2/a/b/blobs/uploads/", Answer(202, (("Location", location),)))
            answer, text = await world.ask("POST", "/v2/a/b/blobs/uploads/", LOGIN)
            assert answer.head.status == (202 if shown else 502), location
            assert answer.head.get("location") == shown
            assert shown or b"quay.io: its" in text
            world.hostile.on("quay.io", "/v2/a/b/manifests/1", Answer(201, (("Location", location),)))
            answer, _ = await world.ask("PUT", "/v2/a/b/manifests/1", LOGIN, body=body(OLD, len(OLD)))
            assert answer.head.status == 201, "what is done is done, wherever it is said to lie"
            assert (answer.head.get("location") is None) is (shown is None)

    told(story, tmp_path, more=ALLOWED)


def test_an_upload_at_a_redirect_host_goes_there_without_the_credential(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        there = (("Location", "https://cdn.quay.io/up/1?sig=a%2Bb"),)
        world.hostile.on("quay.io", "/v2/a/b/blobs/uploads/", Answer(202, there))
        world.hostile.on("cdn.quay.io", "/up/1", Answer(202, (("Location", "/up/2"),)))
        world.hostile.on("cdn.quay.io", "/up/2", Answer(201))
        answer, _ = await world.ask("POST", "/v2/a/b/blobs/uploads/", LOGIN)
        answer, _ = await world.ask("PATCH", answer.head.get("location") or "", LOGIN, body=body(b"layer", 5))
        assert answer.head.status == 202
        last = f"{answer.head.get('location')}&digest={LAYER}"
        answer, _ = await world.ask("PUT", last, LOGIN, body=body(b"", 0))
        assert answer.head.status == 201
        patched, put = world.hostile.seen("cdn.quay.io")
        assert (patched.target, patched.body) == ("/up/1?sig=a%2Bb", b"layer")
        assert put.target == f"/up/2?digest={LAYER.replace(':', '%3A')}"
        assert {received.field("authorization") for received in world.hostile.seen("cdn.quay.io")} == {""}

    told(story, tmp_path, more=ALLOWED)


FORGED = [
    *["", "at=", "at=https%3A%2F%2Fevil.example%2F", "at=http%3A%2F%2Fcdn.quay.io%2F", "at=/x", "at=a&at=b"],
    *["at=%0d%0a", "at=https%3A%2F%2Fu%40cdn.quay.io%2F", "at=https%3A%2F%2Fcdn.quay.io%3A8443%2F"],
]


def test_a_client_leads_no_upload_anywhere(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for query in FORGED:
            answer, _ = await world.ask("PUT", f"/v2/a/b/blobs/uploads/_regproxy?{query}", LOGIN)
            assert answer.head.status == 400, query
        assert world.hostile.requests == []

    told(story, tmp_path, more=ALLOWED)


CHALLENGES: list[tuple[str, str | None]] = [
    ('Bearer realm="https://auth.quay.io/t",service="q",scope="repository:a/b:delete"', "repository:a/b:delete"),
    ('Bearer realm="https://auth.quay.io/t",service="q"', "repository:a/b:pull,push"),
    ('Bearer realm="https://auth.quay.io/t",scope="a\\"b"', "repository:a/b:pull,push"),
    ("nonsense, =", "repository:a/b:pull,push"),
    ('Basic realm="x"', None),
]


def test_who_may_not_push_meets_our_challenge(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for asked, shown in CHALLENGES:
            world.hostile.on("quay.io", "/v2/a/b/blobs/uploads/", Answer(401, (("WWW-Authenticate", asked),)))
            answer, _ = await world.ask("POST", "/v2/a/b/blobs/uploads/")
            ours = f'Bearer realm="https://quay.io/v2/_regproxy/token",service="quay.io",scope="{shown}"'
            assert answer.head.get("www-authenticate") == (ours if shown else 'Basic realm="quay.io"'), asked

    told(story, tmp_path, more=ALLOWED)


def registry(world: World, tags: dict[str, bytes]) -> None:
    """quay.io with one repository whose tags can be put and deleted."""

    def answer(request: Received) -> Answer:
        tag = request.path.rpartition("/")[2]
        if request.method == "PUT":
            tags[tag] = request.body
            return Answer(201, (("Docker-Content-Digest", sha256(request.body)),))
        if request.method == "DELETE":
            return Answer(202 if tags.pop(tag, None) else 404)
        by_digest = next((data for data in tags.values() if sha256(data) == tag), None)
        data = tags.get(tag, by_digest)
        if data is None:
            return Answer(404)
        fields = (("Content-Type", MANIFEST_TYPE), ("Docker-Content-Digest", sha256(data)))
        return Answer(200, fields, data)

    world.hostile.on("quay.io", "/v2/a/b/manifests/*", answer)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_tag_means_at_once_what_was_pushed(method: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        registry(world, {"1": OLD})
        forgotten: list[Forget] = []
        world.core.cache.watch(forgotten.append)
        assert (await world.get("/v2/a/b/manifests/1"))[1] == OLD
        assert await world.outcome("/v2/a/b/manifests/1") is Outcome.HIT
        forgotten.clear()
        await world.ask(method, "/v2/a/b/manifests/1", LOGIN, body=body(NEW, len(NEW)) if method == "PUT" else None)
        assert Forget(QUAY, "a/b") in forgotten
        answer, text = await world.get("/v2/a/b/manifests/1")
        assert (answer.head.status, text) == ((200, NEW) if method == "PUT" else (404, b""))

    told(story, tmp_path, more=ALLOWED)


def test_a_push_that_failed_changes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("1", OLD)
        assert (await world.get("/v2/a/b/manifests/1"))[1] == OLD
        world.hostile.on("quay.io", "/v2/a/b/manifests/1", Answer(403))
        answer, _ = await world.ask("PUT", "/v2/a/b/manifests/1", LOGIN, body=body(NEW, len(NEW)))
        assert answer.head.status == 403
        assert await world.outcome("/v2/a/b/manifests/1") is Outcome.HIT

    told(story, tmp_path, more=ALLOWED)


def test_a_digest_that_was_deleted_is_gone_with_the_tags_that_named_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("1", OLD)
        for reference in ("1", digest):
            await world.get(f"/v2/a/b/manifests/{reference}")
            world.hostile.on("quay.io", f"/v2/a/b/manifests/{reference}", Answer(404))
        world.hostile.on("quay.io", f"/v2/a/b/manifests/{digest}", Answer(202), Answer(404))
        assert await world.outcome("/v2/a/b/manifests/1") is Outcome.HIT
        await world.ask("DELETE", f"/v2/a/b/manifests/{digest}", LOGIN)
        for reference in ("1", digest):
            assert (await world.get(f"/v2/a/b/manifests/{reference}"))[0].head.status == 404

    told(story, tmp_path, more=ALLOWED)


def test_a_tag_that_was_missing_is_there_once_it_is_pushed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        registry(world, {})
        assert (await world.get("/v2/a/b/manifests/neg1"))[0].head.status == 404
        assert await world.outcome("/v2/a/b/manifests/neg1") is Outcome.NEGATIVE
        await world.ask("PUT", "/v2/a/b/manifests/neg1", LOGIN, body=body(NEW, len(NEW)))
        assert (await world.get("/v2/a/b/manifests/neg1"))[1] == NEW

    told(story, tmp_path, more=ALLOWED)


def test_a_list_names_what_was_pushed_and_another_repositorys_stays(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        registry(world, {"1": OLD})
        for repository in ("a/b", "a/c"):
            world.hostile.on(
                "quay.io", f"/v2/{repository}/tags/list", Answer(200, body=b'["1"]'), Answer(200, body=b"[]")
            )
            await world.get(f"/v2/{repository}/tags/list")
        await world.ask("PUT", "/v2/a/b/manifests/2", LOGIN, body=body(NEW, len(NEW)))
        assert (await world.get("/v2/a/b/tags/list"))[1] == b"[]"
        assert (await world.get("/v2/a/c/tags/list"))[1] == b'["1"]'

    told(story, tmp_path, more=ALLOWED)


def test_an_answer_that_a_push_overtook_is_neither_kept_nor_shared(tmp_path: Path) -> None:
    """A question is on its way when the push ends: its answer says what was there before."""

    async def story(world: World) -> None:
        tags = {"1": OLD}
        registry(world, tags)
        gate = asyncio.Event()
        fetch = world.core.cache._engines.upstream.fetch

        async def slow(*given: object) -> object:
            found = await fetch(*given)  # type: ignore[arg-type]
            await gate.wait()
            return found

        world.core.cache._engines.upstream.fetch = slow  # type: ignore[assignment, method-assign]
        before = asyncio.create_task(world.get("/v2/a/b/manifests/1"))
        while world.asked() == []:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        world.now += 1
        await world.ask("PUT", "/v2/a/b/manifests/1", LOGIN, body=body(NEW, len(NEW)))
        world.now += 1
        after = asyncio.create_task(world.get("/v2/a/b/manifests/1"))
        await asyncio.sleep(0.1)
        gate.set()
        assert (await before)[1] == OLD
        assert (await after)[1] == NEW
        assert (await world.get("/v2/a/b/manifests/1"))[1] == NEW
        assert await world.outcome("/v2/a/b/manifests/1") is Outcome.HIT

    told(story, tmp_path, more=ALLOWED)


def test_an_absence_that_a_push_overtook_is_not_remembered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        target, gate = "/v2/a/b/manifests/neg1", Event()
        there = manifest(NEW, MANIFEST_TYPE, sha256(NEW))
        world.hostile.on("quay.io", target, Answer(404, body=b"no", gate=gate), Answer(201), there)
        before = asyncio.create_task(world.get(target))
        while world.asked(target) == []:
            await asyncio.sleep(0.01)
        world.now += 1
        await world.ask("PUT", target, LOGIN, body=body(NEW, len(NEW)))
        gate.set()
        assert (await before)[0].head.status == 404
        assert (await world.get(target))[1] == NEW

    told(story, tmp_path, more=ALLOWED)


def test_what_was_deleted_while_it_was_fetched_is_not_kept(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        target = f"/v2/a/b/blobs/{LAYER}"
        gate = Event()
        world.hostile.on("quay.io", target, Answer(200, body=b"layer", gate=gate), Answer(202), Answer(404))
        answer = await world.core.cache.answer(Ask(QUAY, "https", "GET", target, (), "10.9.8.7"))
        world.now += 1
        await world.ask("DELETE", target, LOGIN)
        world.now += 1
        gate.set()
        assert await world.read(answer) == b"layer"
        assert (await world.get(target))[0].head.status == 404

    told(story, tmp_path, more=ALLOWED)


@pytest.mark.parametrize(
    ("target", "accept", "asked"),
    [
        (f"/v2/a/b/blobs/{LAYER}", "", True),
        ("/v2/a/b/manifests/1", f"{MANIFEST_TYPE}, */*", True),
        ("/v2/a/b/manifests/1", "", True),
        ("/v2/a/b/manifests/1", PULLED[1], False),
    ],
)
@pytest.mark.parametrize("allowed", [True, False])
def test_what_is_there_before_a_push_only_the_registry_says(
    target: str, accept: str, asked: bool, allowed: bool, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        world.tag("1", OLD)
        fields = (("Docker-Content-Digest", LAYER),)
        world.hostile.on("quay.io", f"/v2/a/b/blobs/{LAYER}", Answer(200, fields, b"layer"))
        while await world.outcome(target) is not Outcome.HIT:
            await asyncio.sleep(0.01)
        world.hostile.on("quay.io", target, Answer(404))
        world.hostile.requests.clear()
        answer, _ = await world.ask("HEAD", target, *([("Accept", accept)] if accept else []))
        assert answer.head.status == (404 if asked and allowed else 200)
        assert world.asked(target) == (["HEAD"] if asked and allowed else [])

    told(story, tmp_path, more=ALLOWED if allowed else ())


def test_a_body_that_breaks_off_is_no_request(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ours, theirs = socket.socketpair()
        theirs.send(b"\0")  # as an edge does, which reads it only when the body is whole
        ours.sendall(b"half of it")
        push = asyncio.create_task(
            world.ask("PATCH", "/v2/a/b/blobs/uploads/1", LOGIN, body=RequestBody(theirs.detach(), None))
        )
        await asyncio.sleep(0.1)
        ours.close()
        answer, text = await push
        assert (answer.head.status, answer.labels.outcome) == (502, Outcome.ERROR)
        assert b"the client broke off its request" in text
        assert world.asked() == []

    told(story, tmp_path, more=ALLOWED)
