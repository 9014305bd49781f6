"""What leaves for a client: conditions, ranges, HEAD, and bodies that break off where they must."""

import asyncio
import errno
import hashlib
import http.client
import os
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from regproxy.model.answer import Answer, Ask, BrokenBody, Filling, Stored, Streaming
from regproxy.model.event import ExchangeFinished
from regproxy.model.message import Head
from regproxy.model.oci import Digest
from regproxy.proxy.files import COLD_BYTES
from tests.lab.client import Client, Reply
from tests.proxy.serving import LABELS, Serving, hello, told

DATA = random.Random(700_000).randbytes(700_000)
DIGEST = Digest("sha256", hashlib.sha256(DATA).hexdigest())
HEAD = Head(200, (("Content-Type", "application/octet-stream"), ("ETag", f'"{DIGEST}"')))


def stored(serving: Serving) -> None:
    path = serving.edge.content_directory / "blobs" / "sha256" / DIGEST.encoded[:2]
    path.mkdir(parents=True, exist_ok=True)
    (path / DIGEST.encoded).write_bytes(DATA)
    serving.core.script = lambda _: Stored(HEAD, DIGEST, len(DATA), LABELS)


def ask(serving: Serving, method: str = "GET", **fields: str) -> Reply:
    with Client(serving.port, serving.ca_file, "quay.io:443") as client:
        return client.request(method, "/v2/a/b/blobs/x", {name.replace("_", "-"): v for name, v in fields.items()})


@pytest.mark.parametrize(
    ("method", "fields", "status", "body", "extra"),
    [
        ("GET", {}, 200, DATA, {"content-length": str(len(DATA))}),
        ("HEAD", {}, 200, b"", {"content-length": str(len(DATA))}),
        ("GET", {"Range": "bytes=0-"}, 206, DATA, {"content-range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}),
        ("GET", {"Range": "bytes=5-9"}, 206, DATA[5:10], {"content-length": "5"}),
        ("GET", {"Range": "bytes=-7"}, 206, DATA[-7:], {}),
        ("GET", {"Range": "bytes=900000-"}, 416, b"", {"content-range": f"bytes */{len(DATA)}"}),
        ("GET", {"Range": "bytes=0-1,5-6"}, 200, DATA, {}),
        ("HEAD", {"Range": "bytes=5-9"}, 200, b"", {"content-length": str(len(DATA))}),
        ("GET", {"Range": "bytes=5-9", "If_Range": '"other"'}, 200, DATA, {}),
        ("GET", {"If_None_Match": f'"{DIGEST}"'}, 304, b"", {"etag": f'"{DIGEST}"'}),
        ("GET", {"If_None_Match": '"other"'}, 200, DATA, {}),
    ],
)
def test_a_stored_body_is_sent_as_asked(
    tmp_path: Path, method: str, fields: dict[str, str], status: int, body: bytes, extra: dict[str, str]
) -> None:
    async def story(serving: Serving) -> None:
        stored(serving)
        reply = await asyncio.to_thread(ask, serving, method, **fields)
        assert (reply.status, reply.body) == (status, body)
        assert extra.items() <= reply.fields.items()

    told(story, tmp_path)


def test_every_intercepted_answer_says_how_it_was_made(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        stored(serving)
        reply = await asyncio.to_thread(ask, serving)
        assert reply.fields["cache-status"] == "regproxy; hit"
        assert reply.fields["x-docker-registry-proxy-cache-upstream-status"] == "HIT"
        assert reply.fields["x-docker-registry-proxy-cache-type"] == "by-digest"
        assert reply.fields["via"] == "1.1 regproxy"
        assert "date" in reply.fields

    told(story, tmp_path)


def test_a_body_that_is_not_in_memory_is_read_by_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    real = os.pread

    def pread(fd: int, limit: int, offset: int) -> bytes:
        assert threading.current_thread() is not threading.main_thread()
        waited.append(offset)
        return real(fd, limit, offset)

    def preadv(fd: int, room: list[memoryview], offset: int, flags: int) -> int:
        assert flags == os.RWF_NOWAIT
        raise BlockingIOError

    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr(os, "preadv", preadv)

    async def story(serving: Serving) -> None:
        stored(serving)
        assert (await asyncio.to_thread(ask, serving)).body == DATA
        assert (await asyncio.to_thread(ask, serving, Range="bytes=5-9")).body == DATA[5:10]
        assert waited == [*range(0, len(DATA), COLD_BYTES), 5]

    told(story, tmp_path)


@pytest.mark.parametrize("healthy", [0, 300_000])
def test_a_disk_that_fails_breaks_the_connection_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, healthy: int
) -> None:
    real: Callable[..., int] = os.preadv

    def preadv(fd: int, room: list[memoryview], offset: int, flags: int) -> int:
        if offset >= healthy:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, room, offset, flags)

    monkeypatch.setattr(os, "preadv", preadv)

    async def story(serving: Serving) -> None:
        stored(serving)
        with pytest.raises((http.client.IncompleteRead, OSError)):
            await asyncio.to_thread(ask, serving)
        async with asyncio.timeout(5):
            while not (finished := [one for one in serving.core.events if isinstance(one, ExchangeFinished)]):
                await asyncio.sleep(0.001)
        assert [event.complete for event in finished] == [False]
        serving.core.script = hello
        assert (await asyncio.to_thread(ask, serving)).body == b"hello"

    told(story, tmp_path)


def test_a_file_that_lost_its_end_is_a_broken_connection(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def script(_: Ask) -> Answer:
            answer = filling(tmp_path, Growing([len(DATA)]), len(DATA))
            os.truncate(tmp_path / "part", 300_000)
            return answer

        serving.core.script = script
        with pytest.raises((http.client.IncompleteRead, OSError)):
            await asyncio.to_thread(ask, serving)
        async with asyncio.timeout(5):
            while not (finished := [one for one in serving.core.events if isinstance(one, ExchangeFinished)]):
                await asyncio.sleep(0.001)
        assert [event.complete for event in finished] == [False]

    told(story, tmp_path)


def test_content_that_was_evicted_meanwhile_is_asked_for_again(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def script(_: Ask) -> Answer:
            if len(serving.core.asked) == 2:
                stored(serving)
            return Stored(HEAD, DIGEST, len(DATA), LABELS)

        serving.core.script = script
        assert (await asyncio.to_thread(ask, serving)).body == DATA
        assert len(serving.core.asked) == 2

    told(story, tmp_path)


class Growing:
    """A part file that grows by `steps`, then ends or breaks."""

    def __init__(self, steps: list[int], broken: bool = False) -> None:
        self.steps, self.broken, self.left = steps, broken, 0

    async def beyond(self, offset: int) -> int:
        await asyncio.sleep(0)
        more = next((step for step in self.steps if step > offset), None)
        if more is None and self.broken:
            raise BrokenBody("the upstream broke off")
        return offset if more is None else more

    def leave(self) -> None:
        self.left += 1


def filling(tmp_path: Path, progress: Growing, size: int | None) -> Answer:
    part = tmp_path / "part"
    part.write_bytes(DATA)
    return Filling(HEAD, size, os.open(part, os.O_RDONLY), progress, LABELS)


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_growing_file_is_followed_to_its_end(tmp_path: Path, size: int | None) -> None:
    async def story(serving: Serving) -> None:
        progress = Growing([10, 300_000, len(DATA)])
        serving.core.script = lambda _: filling(tmp_path, progress, size)
        assert (await asyncio.to_thread(ask, serving)).body == DATA
        # The client may have the last byte before the edge has said that it is done.
        async with asyncio.timeout(5):
            while progress.left == 0:
                await asyncio.sleep(0.001)
        assert progress.left == 1

    told(story, tmp_path)


def test_a_range_of_a_growing_file_waits_for_its_bytes(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.script = lambda _: filling(tmp_path, Growing([10, len(DATA)]), len(DATA))
        reply = await asyncio.to_thread(ask, serving, Range="bytes=500000-500009")
        assert (reply.status, reply.body) == (206, DATA[500_000:500_010])

    told(story, tmp_path)


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_broken_body_is_a_broken_connection_never_a_clean_end(tmp_path: Path, size: int | None) -> None:
    async def story(serving: Serving) -> None:
        serving.core.script = lambda _: filling(tmp_path, Growing([300_000], broken=True), size)
        with pytest.raises((http.client.IncompleteRead, OSError)):
            await asyncio.to_thread(ask, serving)
        async with asyncio.timeout(5):
            while not (finished := [one for one in serving.core.events if isinstance(one, ExchangeFinished)]):
                await asyncio.sleep(0.001)
        assert [event.complete for event in finished] == [False]

    told(story, tmp_path)


class Ended:
    """How a stream ended."""

    def __init__(self, error: BrokenBody | None = None) -> None:
        self.error = error

    async def wait(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, BrokenBody("cut")])
def test_a_stream_without_a_length_ends_as_its_source_did(tmp_path: Path, error: BrokenBody | None) -> None:
    async def story(serving: Serving) -> None:
        def script(_: Ask) -> Answer:
            ours, theirs = socket.socketpair()
            ours.sendall(b"some")
            ours.close()
            return Streaming(Head(200), theirs.detach(), Ended(error), LABELS)

        serving.core.script = script
        if error is None:
            assert (await asyncio.to_thread(ask, serving)).body == b"some"
        else:
            with pytest.raises((http.client.IncompleteRead, OSError)):
                await asyncio.to_thread(ask, serving)

    told(story, tmp_path)
