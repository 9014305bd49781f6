"""One transfer and its readers: how it goes on, who follows it, and when nobody needs it any more."""

import asyncio
import gzip
import os
from pathlib import Path
from threading import Event

import pytest

from regproxy.cache import fill
from regproxy.model.answer import Ask, BrokenBody, Filling, Reply, Streaming
from regproxy.model.event import Outcome, UpstreamFinished
from regproxy.model.message import field
from regproxy.upstream.request import Limits
from tests.cache.world import QUAY, World, told, world
from tests.lab.answers import Answer, Generated, Received, blob, redirect
from tests.lab.images import MIB, sha256
from tests.upstream.standin import until

BLOB = os.urandom(300_000)
DIGEST = sha256(BLOB)
PATH = f"/v2/a/b/blobs/{DIGEST}"


def _ask(*fields: tuple[str, str], path: str = PATH) -> Ask:
    return Ask(QUAY, "https", "GET", path, fields, "10.9.8.7")


async def _filling(world: World, path: str = PATH) -> Filling:
    answer = await world.core.cache.answer(_ask(path=path))
    assert isinstance(answer, Filling)
    return answer


# A body that breaks off.


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param([blob(BLOB)], id="the rest"),
        pytest.param([Answer(body=BLOB)], id="all, though only the rest was asked for"),
        pytest.param([Answer(206, (("Content-Range", "bytes 7-99/300000"),), BLOB[7:100]), blob(BLOB)], id="another"),
        pytest.param([Answer(416), blob(BLOB)], id="no such range"),
        pytest.param([Answer(503), Answer(503), blob(BLOB)], id="an illness that passes"),
        pytest.param([Answer(body=BLOB, cut=0), blob(BLOB)], id="nothing, then the rest"),
    ],
)
def test_a_body_that_breaks_off_goes_on_with(rest: list[Answer], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, cut=180_000, reset=True), *rest)
        assert (await world.get(PATH))[1] == BLOB

    told(story, tmp_path)


@pytest.mark.parametrize("rest", [Answer(404), Answer(403), Answer(401)])
def test_a_refusal_of_the_rest_is_final(rest: Answer, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, cut=180_000), rest)
        with pytest.raises(BrokenBody, match=f"answered {rest.status} when asked for the rest"):
            await world.read(await _filling(world))
        assert len(world.asked(PATH)) == 2

    told(story, tmp_path)


def test_a_rest_of_other_bytes_is_never_whole(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        other = Answer(body=BLOB[::-1], ranges=True)
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, cut=180_000), other)
        with pytest.raises(BrokenBody, match="hash"):
            await world.read(await _filling(world))
        assert world.core.store.usage().entries == 0

    told(story, tmp_path)


def test_the_rest_is_asked_for_only_of_the_same_representation(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        tagged = (("ETag", '"one"'),)
        world.hostile.on("quay.io", PATH, Answer(200, tagged, BLOB, cut=180_000), blob(BLOB))
        assert (await world.get(PATH))[1] == BLOB
        assert [each.field("if-range") for each in world.hostile.seen("quay.io", PATH)] == ["", '"one"']

    told(story, tmp_path)


def test_an_expired_link_to_a_cdn_is_asked_for_anew_at_the_registry(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        signed = [redirect(307, f"https://cdn.quay.io/{name}") for name in ("old", "new")]
        world.hostile.on("quay.io", PATH, *signed)
        world.hostile.on("cdn.quay.io", "/old", Answer(body=BLOB, cut=180_000, reset=True), Answer(403))
        world.hostile.on("cdn.quay.io", "/new", blob(BLOB))
        assert (await world.get(PATH))[1] == BLOB
        (resumed,) = world.hostile.seen("cdn.quay.io", "/new")
        assert resumed.field("range").startswith("bytes=")
        assert resumed.field("authorization") == ""

    told(story, tmp_path)


def test_a_part_where_the_whole_was_asked_for_is_no_answer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        part = Answer(206, (("Content-Range", "bytes 0-99/300000"),), BLOB[:100])
        for path in (PATH, f"/v2/a/b/manifests/{DIGEST}", "/v2/a/b/manifests/tag"):
            world.hostile.on("quay.io", path, part)
            answer, body = await world.get(path)
            assert (path, answer.head.status) == (path, 502)
            assert b"206" in body
        assert world.core.store.usage().entries == 0

    told(story, tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(Answer(body=BLOB, hold=180_000, gate=Event(), ranges=True), id="stalls"),
        pytest.param(Answer(body=BLOB, rate=100, ranges=True), id="trickles"),
    ],
)
def test_a_body_without_progress_is_given_up_and_goes_on(broken: Answer, tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, limits=Limits(stall=1)) as impatient:
            impatient.hostile.on("quay.io", PATH, broken, blob(BLOB))
            assert (await impatient.get(PATH))[1] == BLOB
            assert len(impatient.asked(PATH)) == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    "fields", [(("Content-Encoding", "gzip"),), (("Content-Length", "7"), ("Transfer-Encoding", "chunked"))]
)
def test_encodings_that_nobody_asked_for_change_no_byte(fields: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    """Nothing is decoded but chunks: the digest is of the bytes as they came."""

    async def story(world: World) -> None:
        chunked = any(name == "Transfer-Encoding" for name, _ in fields)
        right = Answer(200, fields[:1] if chunked else fields, BLOB, framing="chunked" if chunked else "length")
        world.hostile.on("quay.io", PATH, Answer(200, fields[:1], gzip.compress(BLOB)) if not chunked else right, right)
        if not chunked:
            with pytest.raises(BrokenBody, match="hash"):
                await world.get(PATH)
        answer, body = await world.get(PATH)
        assert body == BLOB
        assert field(answer.head.fields, "content-encoding") is None
        assert field(answer.head.fields, "content-length") is None

    told(story, tmp_path)


# Followers.


def test_an_answer_that_cannot_be_shared_releases_all_who_wait_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        gate = Event()

        def late(_: Received) -> Answer:
            assert gate.wait(10)
            return Answer(404, body=b'{"errors":[]}')

        world.hostile.on("quay.io", PATH, late, blob(BLOB))
        asking = [asyncio.create_task(world.get(PATH)) for _ in range(20)]
        await until(lambda: world.asked(PATH))
        gate.set()
        assert {answer.head.status for answer, _ in await asyncio.gather(*asking)} == {404}
        assert world.asked(PATH) == ["GET"]

    told(story, tmp_path)


def test_all_who_wait_for_what_does_not_fit_go_their_own_way_at_the_same_time(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, head="cache { size 100KiB; }\n") as small:
            gate = Event()
            small.hostile.on("quay.io", PATH, Answer(body=BLOB, hold=1000, gate=gate))
            asking = [asyncio.create_task(small.get(PATH)) for _ in range(10)]
            # One to learn the size, and then one for each, none of which waits for another's end.
            await until(lambda: len(small.asked(PATH)) == 11)
            gate.set()
            assert {(type(answer), body) for answer, body in await asyncio.gather(*asking)} == {(Streaming, BLOB)}
            assert (await small.get(PATH))[1] == BLOB
            assert len(small.asked(PATH)) == 12, "for a while nobody tries again to store it"

    asyncio.run(run())


def _large(gate: Event, hold: int = MIB) -> tuple[str, Answer]:
    """A body that is not worth finishing for nobody: more than 64 MiB, of which less than a tenth has come."""
    body = Generated(100 * MIB, 5)
    return f"/v2/a/b/blobs/{body.digest}", Answer(body=body, hold=hold, gate=gate)


async def _deserted(world: World, path: str) -> Filling:
    """A fill whose only reader has left when a part of the body had come."""
    answer = await _filling(world, path)
    await answer.progress.beyond(0)
    answer.progress.leave()
    os.close(answer.fd)
    return answer


def _given_up(world: World) -> bool:
    return any(isinstance(event, UpstreamFinished) for event in world.events)


def test_a_fill_that_nobody_reads_lingers_and_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        gate = Event()
        path, answer = _large(gate)
        world.hostile.on("quay.io", path, answer)
        monkeypatch.setattr(fill, "LINGER_SECONDS", 0.05)
        await _deserted(world, path)
        await until(lambda: _given_up(world))
        await until(lambda: not list((world.directory / "tmp").iterdir()))
        gate.set()
        again = await _filling(world, path)
        assert again.labels.outcome is Outcome.MISS
        again.progress.leave()
        os.close(again.fd)

    told(story, tmp_path)


def test_who_comes_back_in_time_finds_the_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        gate = Event()
        path, answer = _large(gate)
        world.hostile.on("quay.io", path, answer)
        monkeypatch.setattr(fill, "LINGER_SECONDS", 0.5)
        await _deserted(world, path)
        back = await _filling(world, path)
        assert back.labels.outcome is Outcome.COLLAPSED
        await asyncio.sleep(1)  # twice the time that it would have lingered
        gate.set()
        assert await back.progress.beyond(50 * MIB) > 50 * MIB
        assert world.asked(path) == ["GET"]
        back.progress.leave()
        os.close(back.fd)

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("size", "come"),
    [pytest.param(2 * MIB, MIB, id="little is left"), pytest.param(100 * MIB, 11 * MIB, id="a tenth is done")],
)
def test_a_fill_worth_finishing_is_finished_for_nobody(
    size: int, come: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        gate = Event()
        body = Generated(size, 5)
        path = f"/v2/a/b/blobs/{body.digest}"
        world.hostile.on("quay.io", path, Answer(body=body, hold=come, gate=gate))
        monkeypatch.setattr(fill, "LINGER_SECONDS", 0.05)
        answer = await _filling(world, path)
        have = 0
        while have < come - MIB // 2:
            have = await answer.progress.beyond(have)
        answer.progress.leave()
        os.close(answer.fd)
        await asyncio.sleep(0.2)  # four times as long as a fill lingers
        gate.set()
        await until(lambda: world.core.store.usage().entries == 1, 30)
        assert world.asked(path) == ["GET"]

    told(story, tmp_path)


def test_a_fill_that_was_left_before_its_first_byte_is_given_up_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        gate = Event()

        def silent(_: Received) -> Answer:
            gate.wait(10)
            return blob(BLOB)

        world.hostile.on("quay.io", PATH, silent)
        monkeypatch.setattr(fill, "LINGER_SECONDS", 0.05)
        asking = asyncio.create_task(world.core.cache.answer(_ask()))
        await until(lambda: world.asked(PATH))
        asking.cancel()
        await until(lambda: _given_up(world))
        gate.set()
        assert (await world.get(PATH))[1] == BLOB

    told(story, tmp_path)


def test_what_is_left_of_a_refused_answer_is_a_small_error(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, Answer(403, body=b"x" * MIB))
        answer, body = await world.get(PATH)
        assert isinstance(answer, Reply)
        assert (answer.head.status, len(body)) == (403, fill.MAX_ERROR_BODY)

    told(story, tmp_path)
