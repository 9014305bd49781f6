"""An answer whose source fails on the way goes on with what the core has for the rest, or is visibly cut."""

import asyncio
import contextlib
import errno
import http.client
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from regproxy.model.answer import Answer, Ask, BrokenBody, Filling, Interrupted, Reply, Stored, Streaming
from regproxy.model.event import ExchangeFinished, StoreFailed
from regproxy.model.message import Head, field
from regproxy.proxy.content import open_content
from tests.proxy.serving import LABELS, Serving, told
from tests.proxy.test_reply import DATA, DIGEST, HEAD, Ended, Growing, ask, stored
from tests.upstream.standin import until

STOPPED = 300_000


class Interrupting(Growing):
    """A part file that the disk stopped after so many bytes."""

    def __init__(self) -> None:
        super().__init__([10, STOPPED])

    async def beyond(self, offset: int) -> int:
        if offset >= STOPPED:
            raise Interrupted("the disk refused")
        return await super().beyond(offset)


def streaming(data: bytes, head: Head) -> Streaming:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def feed() -> None:
        with ours, contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(ours, data)

    feeding = asyncio.get_running_loop().create_task(feed())
    ended = Ended()
    ended.feeding = feeding  # type: ignore[attr-defined]  # kept as long as the answer
    return Streaming(head, theirs.detach(), ended, LABELS)


def partial(start: int, stop: int = len(DATA)) -> Head:
    return Head(206, (("Content-Range", f"bytes {start}-{stop - 1}/{len(DATA)}"),))


def part(path: Path, progress: Growing, size: int | None = len(DATA)) -> Filling:
    path.write_bytes(DATA)
    return Filling(HEAD, size, os.open(path, os.O_RDONLY), progress, LABELS)


Rest = Callable[[Serving, Path], Answer]


def kept(serving: Serving, _: Path) -> Answer:
    stored(serving)
    return Stored(HEAD, DIGEST, len(DATA), LABELS)


def shorter(serving: Serving, _: Path) -> Answer:
    stored(serving)
    os.truncate(_content_file(serving), len(DATA) - 1)
    return Stored(HEAD, DIGEST, len(DATA) - 1, LABELS)


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(lambda _, __: streaming(DATA[STOPPED:], partial(STOPPED)), id="a stream"),
        pytest.param(kept, id="content"),
        pytest.param(lambda _, path: part(path / "other", Growing([10, len(DATA)])), id="another fill"),
    ],
)
def test_a_body_that_the_disk_interrupts_goes_on_as(rest: Rest, size: int | None, tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        progress = Interrupting()

        def script(asked: Ask) -> Answer:
            if field(asked.fields, "range"):
                return rest(serving, tmp_path)
            return part(tmp_path / "part", progress, size)

        serving.core.script = script
        assert (await asyncio.to_thread(ask, serving)).body == DATA
        last = "" if size is None else str(size - 1)
        assert [field(asked.fields, "range") for asked in serving.core.asked] == [None, f"bytes={STOPPED}-{last}"]
        # The client may have its last byte before the edge lets go of what it came from.
        await until(lambda: progress.left == 1)

    told(story, tmp_path)


def test_a_range_goes_on_with_its_own_rest(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def script(asked: Ask) -> Answer:
            if len(serving.core.asked) == 1:
                return part(tmp_path / "part", Interrupting())
            assert field(asked.fields, "range") == f"bytes={STOPPED}-{STOPPED + 9}"
            return streaming(DATA[STOPPED : STOPPED + 10], partial(STOPPED, STOPPED + 10))

        serving.core.script = script
        reply = await asyncio.to_thread(ask, serving, Range=f"bytes=100000-{STOPPED + 9}")
        assert (reply.status, reply.body) == (206, DATA[100_000 : STOPPED + 10])

    told(story, tmp_path)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(lambda _, __: Reply(Head(503), b"", LABELS), id="a refusal"),
        pytest.param(lambda _, __: streaming(DATA, Head(200)), id="all of it"),
        pytest.param(lambda _, __: streaming(DATA[7:], partial(7)), id="another part"),
        pytest.param(lambda _, __: Stored(HEAD, DIGEST, len(DATA), LABELS), id="content that is gone"),
        pytest.param(shorter, id="content that is shorter"),
        pytest.param(lambda _, path: part(path / "other", Interrupting()), id="the same trouble for ever"),
    ],
)
def test_where_the_rest_is_not_to_be_had_the_connection_breaks(rest: Rest, tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def script(asked: Ask) -> Answer:
            return rest(serving, tmp_path) if len(serving.core.asked) > 1 else part(tmp_path / "part", Interrupting())

        serving.core.script = script
        with pytest.raises((http.client.IncompleteRead, OSError)):
            await asyncio.to_thread(ask, serving)
        assert len(serving.core.asked) <= 5
        finished = [event for event in serving.core.events if isinstance(event, ExchangeFinished)]
        assert [event.complete for event in finished] == [False]

    told(story, tmp_path)


def _fail_reads(monkeypatch: pytest.MonkeyPatch, of: Path, beyond: int) -> None:
    """Reads of this file at or behind an offset fail, as a bad sector makes them."""
    pread, preadv = os.pread, os.preadv

    def check(fd: int, offset: int) -> None:
        if offset >= beyond and Path(f"/proc/self/fd/{fd}").readlink() == of:
            raise OSError(errno.EIO, "Input/output error")

    def failing_pread(fd: int, count: int, offset: int) -> bytes:
        check(fd, offset)
        return pread(fd, count, offset)

    def failing_preadv(fd: int, buffers: list[bytearray], offset: int, flags: int = 0) -> int:
        check(fd, offset)
        return preadv(fd, buffers, offset, flags)

    monkeypatch.setattr(os, "pread", failing_pread)
    monkeypatch.setattr(os, "preadv", failing_preadv)


def _content_file(serving: Serving) -> Path:
    return serving.edge.content_directory / "blobs" / "sha256" / DIGEST.encoded[:2] / DIGEST.encoded


@pytest.mark.parametrize("beyond", [0, 300_000])
def test_content_that_cannot_be_read_is_told_to_the_core_and_got_elsewhere(
    beyond: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(serving: Serving) -> None:
        def script(asked: Ask) -> Answer:
            wanted = field(asked.fields, "range")
            if wanted is None:
                return Stored(HEAD, DIGEST, len(DATA), LABELS)
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            return streaming(DATA[start:], partial(start))

        stored(serving)
        serving.core.script = script
        _fail_reads(monkeypatch, _content_file(serving), beyond)
        assert (await asyncio.to_thread(ask, serving)).body == DATA
        told_of = [event for event in serving.core.events if isinstance(event, StoreFailed)]
        assert [(event.operation, event.digest) for event in told_of] == [("read", DIGEST)]

    told(story, tmp_path)


def test_content_that_cannot_be_opened_is_told_to_the_core_and_asked_for_again(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def script(_: Ask) -> Answer:
            if len(serving.core.asked) == 2:
                return Reply(HEAD, DATA, LABELS)
            return Stored(HEAD, DIGEST, len(DATA), LABELS)

        stored(serving)
        file = _content_file(serving)
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")  # even root cannot open it: links are not followed
        serving.core.script = script
        assert (await asyncio.to_thread(ask, serving)).body == DATA
        told_of = [event for event in serving.core.events if isinstance(event, StoreFailed)]
        assert [(event.operation, event.digest) for event in told_of] == [("read", DIGEST)]

    told(story, tmp_path)


def test_a_process_that_may_open_no_more_does_not_blame_the_content(tmp_path: Path) -> None:
    """What an edge cannot read is removed from the cache: with no descriptor left it would empty it."""

    async def story(serving: Serving) -> None:
        stored(serving)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(BrokenBody, match="Too many open files"):
                open_content(serving.core, serving.edge.content_directory, Stored(HEAD, DIGEST, len(DATA), LABELS))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert serving.core.events == []

    told(story, tmp_path)


def test_a_part_file_that_cannot_be_read_is_a_broken_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent of it is not verified yet: nothing may be put behind it."""

    async def story(serving: Serving) -> None:
        serving.core.script = lambda _: part(tmp_path / "part", Growing([10, 300_000, len(DATA)]))
        _fail_reads(monkeypatch, tmp_path / "part", 300_000)
        with pytest.raises((http.client.IncompleteRead, OSError)):
            await asyncio.to_thread(ask, serving)
        assert len(serving.core.asked) == 1
        assert [event.operation for event in serving.core.events if isinstance(event, StoreFailed)] == ["read"]

    told(story, tmp_path)
