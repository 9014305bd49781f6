"""Ranges of what is passed by: none that holds its end leaves before the whole is hashed."""

import asyncio
import os
import socket
from pathlib import Path
from threading import Event

import pytest

from regproxy.cache.verification import HOLD_BACK
from regproxy.model.answer import Ask, BrokenBody, Streaming
from regproxy.model.event import Outcome
from regproxy.model.message import field
from tests.cache.world import QUAY, World, told, world
from tests.lab.answers import Answer, blob
from tests.lab.images import sha256

BLOB = os.urandom(300_000)
SIZE = len(BLOB)
PATH = f"/v2/a/b/blobs/{sha256(BLOB)}"
PASSING = "tier rest { match any; pass; }\n"
LOGIN = ("Authorization", "Basic YTpi")


def told_past_the_cache(story: object, directory: Path) -> None:
    told(story, directory, PASSING)  # type: ignore[arg-type]


EARLY = f"bytes=5-{SIZE - HOLD_BACK - 1}"


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop", "upstream"),
    [
        pytest.param(EARLY, 206, 5, SIZE - HOLD_BACK, [EARLY], id="an early part is relayed"),
        pytest.param("bytes=5-5", 206, 5, 6, ["bytes=5-5"], id="one byte"),
        pytest.param("bytes=100000-", 206, 100_000, SIZE, ["bytes=100000-", ""], id="an open end waits for all"),
        pytest.param("bytes=0-", 206, 0, SIZE, ["bytes=0-"], id="all of it as a range"),
        pytest.param("bytes=-7", 206, SIZE - 7, SIZE, ["bytes=-7", ""], id="a suffix"),
        pytest.param(f"bytes=0-{SIZE - HOLD_BACK}", 206, 0, SIZE - HOLD_BACK + 1, [None, ""], id="one byte too far"),
        pytest.param("bytes=299999-299999", 206, SIZE - 1, SIZE, [None, ""], id="the last byte"),
        pytest.param("bytes=0-1,5-9", 200, 0, SIZE, [""], id="several are answered with the whole"),
        pytest.param("lines=1-2", 200, 0, SIZE, [""], id="another unit"),
        pytest.param("bytes=900000-", 416, 0, 0, ["bytes=900000-"], id="beyond the end"),
    ],
)
@pytest.mark.parametrize("login", [(), (LOGIN,)], ids=["anonymous", "with a login"])
def test_a_range_past_the_cache(
    login: tuple[tuple[str, str], ...],
    asked: str,
    status: int,
    start: int,
    stop: int,
    upstream: list[str | None],
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        suffixed = Answer(206, (("Content-Range", f"bytes {SIZE - 7}-{SIZE - 1}/{SIZE}"),), BLOB[-7:])
        world.hostile.on("quay.io", PATH, *([suffixed] if asked == "bytes=-7" else []), blob(BLOB))
        answer, body = await world.get(PATH, ("Range", asked), *login)
        assert (answer.head.status, body) == (status, BLOB[start:stop])
        assert answer.labels.outcome is Outcome.PASS
        if status == 206:
            assert field(answer.head.fields, "content-range") == f"bytes {start}-{stop - 1}/{SIZE}"
        if status != 416:
            assert field(answer.head.fields, "content-length") == str(stop - start)
        seen = [each.field("range") for each in world.hostile.seen("quay.io", PATH)]
        assert seen == [asked if expected is None else expected for expected in upstream]

    told_past_the_cache(story, tmp_path)


@pytest.mark.parametrize("asked", ["bytes=100000-", "bytes=299999-299999", None])
@pytest.mark.parametrize("login", [(), (LOGIN,)], ids=["anonymous", "with a login"])
def test_the_end_of_other_bytes_never_leaves(
    asked: str | None, login: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, blob(BLOB[:-1] + b"?" if BLOB[-1:] != b"?" else BLOB[:-1] + b"!"))
        with pytest.raises(BrokenBody, match="hash"):
            await world.get(PATH, *([("Range", asked)] if asked else []), *login)

    told_past_the_cache(story, tmp_path)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(Answer(206, (("Content-Range", "bytes 5-9/*"),), BLOB[5:10]), blob(BLOB), id="of unknown size"),
        pytest.param(Answer(206, (), BLOB[5:10]), blob(BLOB), id="that is not named"),
        pytest.param(Answer(206, (("Content-Range", "bytes 9-5/300000"),), b""), blob(BLOB), id="that is none"),
    ],
)
def test_a_part_that_cannot_be_judged_is_not_passed_on(first: Answer, second: Answer, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, first, second)
        answer, _ = await world.get(PATH, ("Range", "bytes=200000-"))
        assert answer.head.status == 502

    told_past_the_cache(story, tmp_path)


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(Answer(503), id="is refused"),
        pytest.param(Answer(body=BLOB, cut=SIZE - 1), id="breaks off"),
        pytest.param(Answer(body=BLOB[:-1] + b"?"), id="is of other bytes"),
        pytest.param(Answer(302, (("Location", "http://elsewhere.test/"),)), id="is elsewhere"),
    ],
)
def test_the_end_of_a_part_never_leaves_where_the_whole(whole: Answer, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, blob(BLOB), whole)
        with pytest.raises(BrokenBody):
            await world.get(PATH, ("Range", "bytes=200000-"))

    told_past_the_cache(story, tmp_path)


def test_a_part_of_other_bytes_before_a_right_whole_never_leaves_to_its_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, blob(BLOB[:210_000] + b"?" + BLOB[210_001:]), blob(BLOB))
        with pytest.raises(BrokenBody, match="other bytes"):
            await world.get(PATH, ("Range", "bytes=200000-"))

    told_past_the_cache(story, tmp_path)


def test_who_reads_only_an_early_part_of_an_open_range_costs_no_more_than_it(tmp_path: Path) -> None:
    """As clients fetch layers in parallel: they ask for all from an offset and hang up when they have their part."""

    async def story(world: World) -> None:
        gate = Event()
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, ranges=True, hold=150_000, gate=gate))
        answer = await world.core.cache.answer(Ask(QUAY, "https", "GET", PATH, (("Range", "bytes=5-"),), "10.9.8.7"))
        assert isinstance(answer, Streaming)
        with socket.socket(fileno=answer.fd) as body:
            body.setblocking(False)
            part = b""
            while len(part) < 100_000:
                part += await asyncio.get_running_loop().sock_recv(body, 100_000 - len(part))
        assert part == BLOB[5:100_005]
        gate.set()
        with pytest.raises(BrokenBody, match="given up"):
            await answer.ending.wait()
        assert [each.field("range") for each in world.hostile.seen("quay.io", PATH)] == ["bytes=5-"]

    told_past_the_cache(story, tmp_path)


def test_an_upstream_without_ranges_gives_the_whole(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, Answer(body=BLOB))
        answer, body = await world.get(PATH, ("Range", "bytes=200000-"))
        assert (answer.head.status, body) == (200, BLOB)

    told_past_the_cache(story, tmp_path)


def test_a_range_ahead_of_what_the_full_disk_took_costs_only_what_was_not_hashed(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, head="cache { size 160KiB; }\n") as small:
            small.hostile.on("quay.io", PATH, Answer(body=BLOB, framing="chunked", ranges=True))
            with pytest.raises(BrokenBody, match="disk"):
                await small.get(PATH)
            answer, body = await small.get(PATH, ("Range", "bytes=250000-"))
            assert isinstance(answer, Streaming)
            assert (answer.head.status, body) == (206, BLOB[250_000:])
            _, probe, rest = (each.field("range") for each in small.hostile.seen("quay.io", PATH))
            assert probe == "bytes=250000-"
            assert 0 < int(rest.removeprefix("bytes=").removesuffix("-")) < 250_000

    asyncio.run(run())
