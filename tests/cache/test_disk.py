"""Trouble with the disk: it never breaks a pull, and what is passed on is verified all the same."""

import asyncio
import errno
import os
import random
from pathlib import Path
from threading import Event

import pytest

from regproxy.cache.blobs import OUTGREW_SECONDS
from regproxy.model.answer import Ask, BrokenBody, Filling, Interrupted, Streaming
from regproxy.model.event import Outcome, StoreFailed
from regproxy.model.message import field
from regproxy.model.oci import parse_digest
from regproxy.store import files
from regproxy.store.index import Index
from tests.cache.world import MANIFEST_TYPE, QUAY, World, told, world
from tests.lab.answers import Answer, blob, manifest
from tests.lab.images import sha256

BLOB = random.Random(300_000).randbytes(300_000)
DIGEST = sha256(BLOB)
PATH = f"/v2/a/b/blobs/{DIGEST}"
CHUNKED = Answer(body=BLOB, framing="chunked", ranges=True)


def _ask(*fields: tuple[str, str], path: str = PATH) -> Ask:
    return Ask(QUAY, "https", "GET", path, fields, "10.9.8.7")


async def _filling(world: World, path: str = PATH) -> Filling:
    answer = await world.core.cache.answer(_ask(path=path))
    assert isinstance(answer, Filling)
    return answer


async def _read_on(world: World, answer: Filling) -> bytes:
    """The body as an edge reads it: what the part file has, then the rest by Range."""
    have = 0
    try:
        while (more := await answer.progress.beyond(have)) > have:
            have = more
        return os.pread(answer.fd, have, 0)
    except Interrupted:
        last = "" if answer.size is None else answer.size - 1
        rest = await world.core.cache.answer(_ask(("Range", f"bytes={have}-{last}")))
        assert (rest.head.status, rest.labels.outcome) == (206, Outcome.PASS)
        assert (field(rest.head.fields, "content-range") or "").startswith(f"bytes {have}-")
        return os.pread(answer.fd, have, 0) + await world.read(rest)
    finally:
        answer.progress.leave()
        os.close(answer.fd)


# Trouble with the disk on the way.


def _fail_after(monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    """The disk takes no byte beyond so many of any part file."""
    pwritev = os.pwritev

    def refuse(fd: int, pieces: list[memoryview], offset: int) -> int:
        if offset >= written:
            raise OSError(5, "Input/output error")
        return pwritev(fd, [b"".join(pieces)[: written - offset]], offset)

    monkeypatch.setattr(os, "pwritev", refuse)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("written", [1, 50_000, 150_000, 290_000])
def test_a_disk_that_fails_in_the_middle_breaks_no_pull(
    framing: str, written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        _fail_after(monkeypatch, written)
        gate = Event()
        answer = Answer(body=BLOB, framing="chunked" if framing == "chunked" else "length", hold=1, gate=gate)
        world.hostile.on("quay.io", PATH, answer, blob(BLOB))
        readers = [await _filling(world) for _ in range(5)]
        gate.set()
        assert await asyncio.gather(*(_read_on(world, reader) for reader in readers)) == [BLOB] * 5
        ranges = [each.field("range") for each in world.hostile.seen("quay.io", PATH)]
        assert len(ranges) == 6, "one for all, and one for each"
        assert ranges[0] == ""
        assert len(set(ranges[1:])) == 1, "each asks for what was not hashed before, and no more"
        assert any(isinstance(event, StoreFailed) for event in world.events)
        assert list((world.directory / "tmp").iterdir()) == []

    told(story, tmp_path)


@pytest.mark.parametrize("wrong", [BLOB[:-1] + b"?", BLOB[:160_000] + b"?" + BLOB[160_001:]])
def test_behind_a_disk_that_failed_the_whole_is_verified_all_the_same(
    wrong: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        _fail_after(monkeypatch, 150_000)
        world.hostile.on("quay.io", PATH, blob(BLOB), blob(wrong))
        with pytest.raises(BrokenBody, match="hash"):
            await _read_on(world, await _filling(world))

    told(story, tmp_path)


def test_a_beginning_of_other_bytes_is_not_made_whole_by_a_right_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        _fail_after(monkeypatch, 150_000)
        world.hostile.on("quay.io", PATH, blob(b"?" + BLOB[1:]), blob(BLOB))
        with pytest.raises(BrokenBody, match="hash"):
            await _read_on(world, await _filling(world))

    told(story, tmp_path)


def test_a_slow_reader_finds_the_rest_long_after_the_disk_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        _fail_after(monkeypatch, 150_000)
        world.hostile.on("quay.io", PATH, blob(BLOB))
        slow = await _filling(world)
        with pytest.raises(Interrupted):
            await slow.progress.beyond(len(BLOB))
        world.now += 86_400
        assert await _read_on(world, slow) == BLOB

    told(story, tmp_path)


def test_a_body_that_outgrows_the_disk_is_whole_at_the_first_pull(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, head="cache { size 100KiB; }\n") as small:
            # Without a length nobody can know beforehand that it will not fit.
            small.hostile.on("quay.io", PATH, CHUNKED)
            assert await _read_on(small, await _filling(small)) == BLOB
            answer, body = await small.get(PATH)
            assert (answer.labels.outcome, body) == (Outcome.PASS, BLOB)

    asyncio.run(run())


@pytest.mark.parametrize("target", [PATH, f"/v2/a/b/manifests/{DIGEST}"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EMFILE])
def test_a_disk_that_makes_no_file_never_breaks_a_pull(
    number: int, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC is what running out of inodes looks like, too."""

    async def story(world: World) -> None:
        def refuse(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        world.hostile.on("quay.io", target, blob(BLOB))
        monkeypatch.setattr(files, "create", refuse)
        for _ in range(2):
            assert (await world.get(target))[1] == BLOB
        assert any(isinstance(event, StoreFailed) for event in world.events)

    told(story, tmp_path)


def test_a_full_disk_never_breaks_a_pull(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, head="cache { size 100KiB; }\n") as small:
            small.hostile.on("quay.io", PATH, blob(BLOB))
            answer, body = await small.get(PATH)
            assert isinstance(answer, Streaming)
            assert body == BLOB
            assert any(isinstance(event, StoreFailed) for event in small.events)

    asyncio.run(run())


@pytest.mark.parametrize(
    "target", [PATH, "/v2/a/b/manifests/latest", f"/v2/a/b/manifests/{DIGEST}", "/v2/a/b/tags/list"]
)
def test_an_index_that_cannot_be_read_never_breaks_a_pull(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        async def refuse(*_: object) -> None:
            raise OSError(errno.EIO, "the cache's index failed")

        world.hostile.on("quay.io", target, blob(BLOB))
        monkeypatch.setattr(Index, "run", refuse)
        answer, body = await world.get(target)
        monkeypatch.undo()
        assert (answer.labels.outcome, body) == (Outcome.PASS, BLOB)
        assert any(isinstance(event, StoreFailed) for event in world.events)

    told(story, tmp_path)


def test_a_body_that_outgrows_the_disk_is_passed_by_when_its_client_comes_again(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, head="cache { size 100KiB; }\n") as small:
            # Without a length nobody can know beforehand that it will not fit.
            small.hostile.on("quay.io", PATH, Answer(body=BLOB, framing="chunked", ranges=True))
            first = await small.core.cache.answer(_ask())
            with pytest.raises(BrokenBody, match="disk"):
                await small.read(first)
            for _ in range(2):
                answer, body = await small.get(PATH)
                assert (answer.labels.outcome, body) == (Outcome.PASS, BLOB)
            rest, body = await small.get(PATH, ("Range", "bytes=100000-"))
            assert (rest.head.status, body) == (206, BLOB[100_000:])
            small.now += OUTGREW_SECONDS
            again = await small.core.cache.answer(_ask())
            assert isinstance(again, Filling)
            with pytest.raises(BrokenBody, match="disk"):
                await small.read(again)

    asyncio.run(run())


def test_what_is_streamed_past_a_full_disk_is_verified_all_the_same(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, head="cache { size 100KiB; }\n") as small:
            small.hostile.on("quay.io", PATH, blob(BLOB[::-1]))
            answer = await small.core.cache.answer(_ask())
            with pytest.raises(BrokenBody, match="hash"):
                await small.read(answer)

    asyncio.run(run())


@pytest.mark.parametrize("removable", [True, False])
def test_content_that_an_edge_could_not_read_is_fetched_again(
    removable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        manifest_path = f"/v2/a/b/manifests/{DIGEST}"
        for path in (PATH, manifest_path):
            world.hostile.on("quay.io", path, manifest(BLOB, MANIFEST_TYPE, DIGEST))
            await world.get(path)
            async with asyncio.timeout(5):
                while await world.outcome(path) is not Outcome.HIT:
                    await asyncio.sleep(0.01)
        if not removable:

            def refuse(*_: object, **__: object) -> None:
                raise OSError(errno.EROFS, "Read-only file system")

            monkeypatch.setattr(files, "remove", refuse)
        world.core.cache.report([StoreFailed("read", "Input/output error", parse_digest(DIGEST))])
        answer, body = await world.get(PATH)
        assert (answer.labels.outcome, body) == (Outcome.MISS, BLOB)
        answer, body = await world.get(manifest_path)
        # The same bytes under another name: once they are stored again they are there for both.
        assert answer.labels.outcome is Outcome.MISS or (removable and answer.labels.outcome is Outcome.HIT)
        assert body == BLOB
        failures = [event.operation for event in world.events if isinstance(event, StoreFailed)]
        assert failures == (["read"] if removable else ["read", "discard"])

    told(story, tmp_path)
