"""What a hostile upstream says, and what we make of it: whole, or a failure with a class."""

import asyncio
import time

import pytest

from regproxy.model.event import UpstreamFinished
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import Limits
from tests.upstream.standin import (
    OK,
    TEN,
    Events,
    Recorder,
    Script,
    StandIn,
    Talk,
    ask,
    registry,
    says,
)

QUICK = Limits(connect=1.0, first_byte=0.4, stall=1)
# For what comes whole: no machine is so busy.
PATIENT = Limits()


async def outcome(script: Script, limits: Limits = QUICK, method: str = "GET") -> tuple[Recorder, UpstreamFinished]:
    """What one request over plain HTTP came to."""
    events = Events()
    client = Client(events, limits=limits)
    async with StandIn(script) as stand_in:
        block = registry(("registry.test", stand_in), scheme="http")
        sink = Recorder()
        transfer = client.start(ask(block, method), sink)
        try:
            await asyncio.wait_for(transfer.finished(), 10)
        except UpstreamFailed as failed:
            assert "registry.test" in failed.detail
        finally:
            await client.close()
    (event,) = events
    assert isinstance(event, UpstreamFinished)
    return sink, event


FAULTS = [
    ("it closes without a word", says(), "reset"),
    ("it resets without a word", says(then=Talk.reset), "reset"),
    ("it never answers", says(then=Talk.stall), "timeout"),
    ("it stalls in the header", says(OK, then=Talk.stall), "timeout"),
    ("it stalls in the body", says(TEN, b"12345", then=Talk.stall), "timeout"),
    ("it resets in the body", says(TEN, b"12345", then=Talk.reset), "reset"),
    ("the body is shorter than Content-Length", says(TEN, b"12345"), "reset"),
    ("chunks end without the last", says(OK, b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), "reset"),
    ("the header is cut in a line", says(OK, b"Content-Len"), "reset"),
    ("the header is cut between lines", says(OK, b"X-A: 1\r\n"), "reset"),
    ("the header is cut after the status", says(OK), "reset"),
    ("the header is 1 MiB", says(OK, *[b"X-%d: %s\r\n" % (n, b"x" * 8000) for n in range(130)], b"\r\n"), "reset"),
    ("one field is 1 MiB", says(OK, b"X: ", *[b"x" * 65536] * 16, b"\r\n\r\n"), "reset"),
    ("it has 101 fields", says(OK, *[b"X-%d: 1\r\n" % n for n in range(101)], b"\r\n"), "reset"),
    ("it floods with 100 Continue", says(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 1000, TEN, b"1234567890"), "reset"),
    ("it drips 103 for ever", says(*[b"HTTP/1.1 103 Early\r\n\r\n"] * 3, then=Talk.stall), "timeout"),
    ("two lengths contradict", says(OK, b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345"), "reset"),
    ("it speaks HTTP/0.9", says(b"hello, I am a teapot\r\n"), "reset"),
    ("it speaks SSH", says(b"SSH-2.0-OpenSSH_9.2\r\n"), "reset"),
    ("a header line is no field", says(OK, b"no colon here\r\n\r\n"), "reset"),
    ("it switches protocols", says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), "reset"),
]


@pytest.mark.parametrize(("script", "failure"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_what_is_no_whole_answer_is_a_failure(script: Script, failure: str) -> None:
    sink, event = asyncio.run(outcome(script))
    assert event.failure == failure
    assert len(sink.heads) <= 1
    assert bytes(sink.kept) in b"1234567890" or bytes(sink.kept) == b"abc"


WHOLE = [
    ("a length", says(TEN, b"1234567890"), b"1234567890"),
    ("bytes beyond the length are not ours", says(TEN, b"1234567890EXTRA"), b"1234567890"),
    ("a close", says(OK, b"\r\n12345"), b"12345"),
    ("chunks with a trailer", says(OK, b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"), b"abc"),
    ("byte by byte", says(*[bytes([b]) for b in TEN + b"1234567890"]), b"1234567890"),
    ("a few informational heads", says(b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n", TEN, b"1234567890"), b"1234567890"),
    ("gzip that nobody asked for", says(OK, b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz"), b"xyz"),
]


@pytest.mark.parametrize(("script", "body"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_a_whole_answer_arrives_as_it_was_sent(script: Script, body: bytes) -> None:
    sink, event = asyncio.run(outcome(script, PATIENT))
    assert (event.failure, event.status, event.bytes) == ("", 200, len(body))
    assert bytes(sink.kept) == body
    assert [head.status for head in sink.heads] == [200]
    assert sink.heads[0].get("link") is None
    assert sink.heads[0].get("x-t") is None


def test_a_head_with_a_length_waits_for_no_body() -> None:
    began = time.monotonic()
    sink, event = asyncio.run(outcome(says(TEN, then=Talk.stall), PATIENT, method="HEAD"))
    assert (event.status, event.failure, sink.heads[0].get("content-length")) == (200, "", "10")
    assert time.monotonic() - began < PATIENT.stall / 2
