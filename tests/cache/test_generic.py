"""Stories of `fresh origin`: many clients at once, changes amid a fetch, large and broken bodies, a bare disk."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from regproxy.cache import variants
from regproxy.cache.lookup import Engines
from regproxy.cache.manifests import keep_bytes
from regproxy.freshness.storing import CREDENTIALS
from regproxy.model.answer import BrokenBody, RequestBody, Stored, Streaming
from regproxy.model.event import Outcome, StoreFailed
from regproxy.model.message import field
from regproxy.model.oci import Digest, Kind
from regproxy.policy.load import load
from regproxy.policy.source import Source
from tests.cache.edged import ORIGIN
from tests.cache.world import GHCR, QUAY, World, told
from tests.lab.answers import Answer, Generated, Received

AN_HOUR = ("Cache-Control", "max-age=3600")
JSON = ("Content-Type", "application/json")
ETAG = ("ETag", '"a"')
MIB = 1024 * 1024


async def at_rest(world: World) -> None:
    while world.core._engines.tasks:
        await asyncio.sleep(0.001)


async def heard(world: World, path: str, count: int) -> None:
    """Wait until the origin was asked so often."""
    async with asyncio.timeout(10):
        while len(world.hostile.seen("quay.io", path)) < count:
            await asyncio.sleep(0.001)


def gated(answer: Answer, gate: Event) -> Answer:
    """The head at once, the body once the gate is open."""
    return Answer(answer.status, answer.fields, answer.body, gate=gate)


def test_clients_that_ask_at_once_share_one_fetch(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        gate = Event()
        world.hostile.on("quay.io", "/x", gated(Answer(200, (AN_HOUR,), b"one"), gate))
        asking = [asyncio.create_task(world.get("/x")) for _ in range(20)]
        await heard(world, "/x", 1)
        gate.set()
        answers = await asyncio.gather(*asking)
        assert {body for _, body in answers} == {b"one"}
        assert sorted(answer.labels.outcome for answer, _ in answers) == ["collapsed"] * 19 + ["miss"]
        assert world.asked("/x") == ["GET"]
        assert await world.outcome("/x") is Outcome.HIT

    told(story, tmp_path, ORIGIN)


@pytest.mark.parametrize("said", ["no-store", "private", "no-cache", "max-age=0"])
def test_an_answer_for_one_client_releases_all_others_at_once(tmp_path: Path, said: str) -> None:
    async def story(world: World) -> None:
        gate = Event()
        fields = (("Cache-Control", said), ETAG)
        world.hostile.on("quay.io", "/x", gated(Answer(200, fields, b"first"), gate), Answer(200, fields, b"own"))
        asking = [asyncio.create_task(world.get("/x")) for _ in range(5)]
        await heard(world, "/x", 1)
        gate.set()
        answers = await asyncio.gather(*asking)
        assert sorted(body for _, body in answers) == [b"first"] + [b"own"] * 4
        assert world.asked("/x") == ["GET"] * 5

    told(story, tmp_path, ORIGIN)


def test_a_variant_is_shared_only_by_those_whom_it_fits(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        gate = Event()

        def script(received: Received) -> Answer:
            return Answer(200, (AN_HOUR, ("Vary", "Accept-Language")), received.field("accept-language").encode(),
                          gate=gate)  # fmt: skip

        world.hostile.on("quay.io", "/x", script)
        asking = [asyncio.create_task(world.get("/x", ("Accept-Language", name))) for name in ("de", "de", "fr", "fr")]
        await heard(world, "/x", 1)
        gate.set()
        assert [body for _, body in await asyncio.gather(*asking)] == [b"de", b"de", b"fr", b"fr"]

    told(story, tmp_path, ORIGIN)


@pytest.mark.parametrize("said", ["max-age=3600", "no-store"])
def test_a_client_that_leaves_takes_nobody_along(tmp_path: Path, said: str) -> None:
    async def story(world: World) -> None:
        gate = Event()
        world.hostile.on("quay.io", "/x", gated(Answer(200, (("Cache-Control", said),), b"one"), gate))
        first = asyncio.create_task(world.get("/x"))
        await heard(world, "/x", 1)
        second = asyncio.create_task(world.get("/x"))
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        answer, body = await second
        assert (answer.head.status, body) == (200, b"one")
        await at_rest(world)

    told(story, tmp_path, ORIGIN)


def test_two_authorities_share_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR,), b"quay"))
        world.hostile.on("ghcr.io", "/x", Answer(200, (AN_HOUR, ("Location", "https://quay.io/x")), b"ghcr"))
        for _ in range(2):
            assert (await world.get("/x"))[1] == b"quay"
            assert (await world.get("/x", authority=GHCR))[1] == b"ghcr"
        await world.ask("DELETE", "/x", authority=GHCR)
        assert await world.outcome("/x") is Outcome.HIT

    told(story, tmp_path, ORIGIN)


def test_what_was_changed_amid_a_fetch_is_not_stored_as_it_was_before(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        gate = Event()
        old, new = Answer(200, (AN_HOUR,), b"old", gate=gate), Answer(200, (AN_HOUR,), b"new")
        world.hostile.on("quay.io", "/x", old, Answer(204), new)
        before = asyncio.create_task(world.get("/x"))
        await heard(world, "/x", 1)
        assert (await world.ask("PUT", "/x"))[0].head.status == 204
        after = asyncio.create_task(world.get("/x"))
        await asyncio.sleep(0)
        gate.set()
        assert (await before)[1] == b"old"
        assert (await after)[1] == b"new", "who asks after the change must not share a fetch from before it"
        assert (await world.get("/x"))[1] == b"new"

    told(story, tmp_path, ORIGIN)


def test_a_head_from_before_a_change_brings_nothing_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        gate = Event()
        old, new = Answer(200, (AN_HOUR, ETAG), b"old"), Answer(200, (AN_HOUR,), b"new")

        def late(_: Received) -> Answer:
            assert gate.wait(10)
            return old

        world.hostile.on("quay.io", "/x", old, late, Answer(204), new)
        await world.get("/x")
        world.now += 3601
        before = asyncio.create_task(world.ask("HEAD", "/x"))
        await heard(world, "/x", 2)
        assert (await world.ask("PUT", "/x"))[0].head.status == 204
        gate.set()
        await before
        assert (await world.get("/x"))[1] == b"new"

    told(story, tmp_path, ORIGIN)


def test_what_was_changed_while_it_was_written_down_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR,), b"old"), Answer(204), Answer(200, (AN_HOUR,), b"new"))

        async def slowly(engines: Engines, digest: Digest, body: bytes, kind: Kind) -> bool:
            kept = await keep_bytes(engines, digest, body, kind)
            if body == b"old":
                assert (await world.ask("PUT", "/x"))[0].head.status == 204
            return kept

        monkeypatch.setattr(variants, "keep_bytes", slowly)
        assert (await world.get("/x"))[1] == b"old"
        assert (await world.get("/x"))[1] == b"new"

    told(story, tmp_path, ORIGIN)


def test_a_tier_that_passes_changes_what_another_one_stored(tmp_path: Path) -> None:
    tiers = "tier reads { match kind is other and method is GET; fresh origin; } tier rest { match any; pass; }"

    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR,), b"x"))
        await world.get("/x")
        assert await world.outcome("/x") is Outcome.HIT
        await world.ask("POST", "/x")
        assert await world.outcome("/x") is Outcome.MISS

    told(story, tmp_path, tiers)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [4 * MIB, 4 * MIB + 1, 9 * MIB])
def test_a_body_is_stored_up_to_a_bound_and_relayed_beyond_it(tmp_path: Path, framing: str, size: int) -> None:
    async def story(world: World) -> None:
        large = Generated(size)
        answer = Answer(200, (AN_HOUR,), large, framing="length" if framing == "length" else "chunked")
        world.hostile.on("quay.io", "/x", answer)
        for _ in range(2):
            given, body = await world.get("/x")
            assert body == b"".join(large.chunks())
        assert isinstance(given, Stored if size <= 4 * MIB else Streaming)
        await at_rest(world)

    told(story, tmp_path, ORIGIN)


def test_a_tier_may_set_a_smaller_bound(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        whole, piecewise = Answer(200, (AN_HOUR,), b"x" * 9), Answer(200, (AN_HOUR,), b"x" * 9, framing="chunked")
        for path, given in (("/x", whole), ("/y", piecewise)):
            world.hostile.on("quay.io", path, given)
            for _ in range(2):
                answer, body = await world.get(path)
                assert (answer.labels.outcome, body) == (Outcome.PASS, b"x" * 9)

    told(story, tmp_path, "tier web { match kind is other; fresh origin; max-object 8B; }")


@pytest.mark.parametrize(
    "broken",
    [
        Answer(200, (AN_HOUR,), b"0123456789", cut=5),
        Answer(200, (AN_HOUR,), b"0123456789", framing="chunked", cut=5),
        Answer(200, (AN_HOUR,), b"01234", framing="close"),
        Answer(200, (AN_HOUR, ("Content-Length", "9")), b"0123456789", claim=10),
    ],
)
def test_half_a_body_is_never_stored(tmp_path: Path, broken: Answer) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", broken)
        for _ in range(2):
            try:
                answer, _ = await world.get("/x")
            except BrokenBody:
                continue
            assert answer.labels.outcome in (Outcome.ERROR, Outcome.PASS)
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR,), b"0123456789"))
        assert (await world.get("/x"))[1] == b"0123456789"

    told(story, tmp_path, ORIGIN)


def test_a_patient_tier_carries_over_an_outage_and_asks_behind_the_clients_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/patient/x"
        world.hostile.on("quay.io", path, Answer(200, (("Cache-Control", "max-age=60"), ETAG), b"one"))
        assert await world.outcome(path) is Outcome.MISS
        world.now += 61
        assert await world.outcome(path) is Outcome.SWR
        await at_rest(world)
        assert await world.outcome(path) is Outcome.HIT
        world.now += 60 + 601
        late = Event()

        def slow(received: Received) -> Answer:
            late.wait(10)
            return Answer(304, (("Cache-Control", "max-age=60"), ETAG))

        world.hostile.on("quay.io", path, slow)
        assert await world.outcome(path) is Outcome.STALE
        late.set()
        await at_rest(world)
        assert await world.outcome(path) is Outcome.HIT
        world.now += 60 + 601
        for status in (429, 503):
            world.hostile.on("quay.io", path, Answer(status))
            assert await world.outcome(path) is Outcome.STALE
        world.hostile.on("quay.io", path, Answer(404))
        assert (await world.get(path))[0].head.status == 404

    told(story, tmp_path, ORIGIN)


def test_what_is_stored_outlives_a_restart_with_its_status_its_fields_and_its_age(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR, JSON, ("X", "1"), ("X", "2")), b"{}"))
        world.hostile.on("quay.io", "/gone", Answer(410, (AN_HOUR,), b"gone"))
        world.hostile.on("quay.io", "/moved", Answer(308, (AN_HOUR, ("Location", "/x"))))
        for path in ("/x", "/gone", "/moved"):
            await world.get(path)
        world.hostile.stop()
        await world.restart()
        world.now += 7
        answer, body = await world.get("/x")
        assert [value for name, value in answer.head.fields if name == "X"] == ["1", "2"]
        assert (answer.head.status, body, field(answer.head.fields, "age")) == (200, b"{}", "7")
        answer, body = await world.get("/gone")
        assert (answer.head.status, body, answer.labels.outcome) == (410, b"gone", Outcome.HIT)
        answer, body = await world.get("/moved")
        assert (answer.head.status, body, field(answer.head.fields, "location")) == (308, b"", "/x")

    told(story, tmp_path, ORIGIN)


def test_lists_are_asked_for_with_our_token_alone_and_say_nothing_of_the_caller(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/tags/list"
        moment = (("RateLimit-Remaining", "7"), ("Set-Cookie", "a=b"), ("Link", "</n>; rel=next"))
        world.hostile.on("quay.io", path, Answer(200, (AN_HOUR, JSON, *moment), b"{}"))
        for expected in (Outcome.MISS, Outcome.HIT):
            shown = [(name, "secret") for name in sorted(CREDENTIALS - {"authorization"})]
            answer, body = await world.get(path, *shown, ("Accept", "application/json"))
            assert (answer.labels.outcome, body) == (expected, b"{}")
            assert field(answer.head.fields, "link") == "</n>; rel=next"
            assert field(answer.head.fields, "ratelimit-remaining") is None
            assert field(answer.head.fields, "set-cookie") is None
        sent = world.hostile.seen("quay.io", path)[0]
        assert (sent.field("cookie"), sent.field("accept")) == ("", "application/json")
        assert all(sent.field(name) == "" for name in CREDENTIALS), "it would read what strangers may not"
        world.now += 3601
        world.hostile.on("quay.io", path, Answer(401, (("WWW-Authenticate", 'Basic realm="theirs"'),)))
        answer, _ = await world.get(path)
        assert "/v2/_regproxy/token" in (field(answer.head.fields, "www-authenticate") or "")
        world.hostile.stop()
        assert (await world.get(path))[0].head.status == 502, "what became private is served to nobody"

    told(story, tmp_path, ORIGIN)


def test_a_lifetime_of_the_policy_and_one_of_the_origin_do_not_meet(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/tags/list"
        world.hostile.on("quay.io", path, Answer(200, (("Cache-Control", "max-age=0"), ETAG, JSON), b"{}"))
        origin = world.policy
        tiers = "tier lists { match kind is tags; fresh 1h; } tier rest { match any; pass; }"
        by_policy = load(Source("other.policy", f"policy 1;\n{tiers}"), {}).policy
        assert by_policy is not None
        world.policy = replace(by_policy, connecting=origin.connecting)
        assert [await world.outcome(path) for _ in range(2)] == [Outcome.MISS, Outcome.HIT]
        world.policy = origin
        assert [await world.outcome(path) for _ in range(2)] == [Outcome.MISS, Outcome.EXPIRED]

    told(story, tmp_path, ORIGIN)


def test_variants_are_bounded_and_the_oldest_makes_room(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR, ("Vary", "Foo")), b"x"))
        for number in range(20):
            await world.get("/x", ("Foo", str(number)))
            world.now += 1
        rows = await world.core._engines.store.variants(QUAY, "/x")
        assert len(rows) == 16
        assert (await world.get("/x", ("Foo", "19")))[0].labels.outcome is Outcome.HIT
        assert (await world.get("/x", ("Foo", "0")))[0].labels.outcome is Outcome.MISS

    told(story, tmp_path, ORIGIN)


def test_nothing_that_says_who_asked_is_on_the_disk(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        said = ("Cache-Control", "public, max-age=3600")
        world.hostile.on("quay.io", "/x", Answer(200, (said, ("Vary", "X-Who, Cookie")), b"x"))
        world.hostile.on("quay.io", "/y", Answer(200, (said,), b"y"))
        for path in ("/x", "/y", "/y?token=s3cret-of-mine"):
            for secret in (
                ("X-Who", "s3cret-of-mine"),
                ("Cookie", "s3cret-of-mine"),
                ("Authorization", "s3cret-of-mine"),
            ):
                await world.get(path, secret)
        await world.restart()
        written = b"".join(path.read_bytes() for path in world.directory.rglob("*") if path.is_file())
        assert b"max-age=3600" in written
        assert b"s3cret-of-mine" not in written

    told(story, tmp_path, ORIGIN)


def test_a_get_with_a_body_is_passed_since_no_key_holds_its_body(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", lambda received: Answer(200, (AN_HOUR,), received.body or b"none"))
        ours, theirs = socket.socketpair()
        ours.sendall(b"poison")
        ours.close()
        answer, body = await world.ask("GET", "/x", body=RequestBody(theirs.detach(), 6))
        assert (answer.labels.outcome, body) == (Outcome.PASS, b"poison")
        assert (await world.get("/x"))[1] == b"none"

    told(story, tmp_path, ORIGIN)


def test_what_an_edge_could_not_read_and_nobody_can_remove_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR,), b"x"))
        await world.get("/x")
        answer, _ = await world.get("/x")
        assert isinstance(answer, Stored)

        async def refuses(*_: object) -> None:
            raise OSError("no")

        monkeypatch.setattr(type(world.core._engines.store), "discard", refuses)
        world.core.cache.report([StoreFailed("read", "I/O error", answer.digest)])
        assert await world.outcome("/x") is Outcome.MISS

    told(story, tmp_path, ORIGIN)


def test_a_disk_that_refuses_costs_the_cache_and_not_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/x", Answer(200, (AN_HOUR,), b"x"))
        store = world.core._engines.store

        async def refuses(*_: object) -> None:
            raise OSError("no")

        with monkeypatch.context() as patch:
            patch.setattr(type(store), "writer", refuses)
            assert (await world.get("/x"))[1] == b"x"
        with monkeypatch.context() as patch:
            patch.setattr(type(store), "variants", refuses)
            assert (await world.get("/x"))[0].labels.outcome is Outcome.PASS
            assert (await world.ask("POST", "/x"))[0].head.status == 200
        assert await world.outcome("/x") is Outcome.MISS

    told(story, tmp_path, ORIGIN)
