"""Requests on an intercepted connection: whose they are, their bodies, and clients that leave."""

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Audience, Reply, Streaming
from regproxy.model.event import ExchangeFinished
from regproxy.model.message import Head
from tests.lab.client import Client, connect
from tests.proxy.serving import LABELS, Serving, hello, told
from tests.wire.joined import descriptors, until


def raw(serving: Serving, request: bytes, server_name: str | None = "quay.io", authority: str = "quay.io:443") -> bytes:
    """What comes back for these bytes inside TLS, up to the end of the connection."""
    context = ssl.create_default_context(cafile=str(serving.ca_file))
    context.check_hostname = server_name is not None
    with context.wrap_socket(connect(serving.port, authority), server_hostname=server_name) as stream:
        stream.sendall(request)
        received = b""
        while chunk := stream.recv(65536):
            received += chunk
        return received


CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize(
    ("request_head", "server_name", "status"),
    [
        (b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\n", "quay.io", b"200"),
        (b"GET /v2/ HTTP/1.1\r\nHost: QUAY.IO.\r\n", "quay.io", b"200"),
        (b"GET /v2/ HTTP/1.1\r\nHost: quay.io:443\r\n", None, b"200"),
        (b"GET https://quay.io/v2/ HTTP/1.1\r\nHost: quay.io\r\n", "quay.io", b"200"),
        (b"GET /v2/ HTTP/1.1\r\nHost: evil.example\r\n", "quay.io", b"421"),
        (b"GET /v2/ HTTP/1.1\r\nHost: quay.io:444\r\n", "quay.io", b"421"),
        (b"GET https://evil.example/v2/ HTTP/1.1\r\nHost: quay.io\r\n", "quay.io", b"421"),
        (b"GET /v2/ HTTP/1.1\r\nHost: alias.example\r\n", "quay.io", b"421"),
        (b"GET * HTTP/1.1\r\nHost: quay.io\r\n", "quay.io", b"421"),
    ],
)
def test_a_request_is_for_the_authority_of_its_connection_or_misdirected(
    tmp_path: Path, request_head: bytes, server_name: str | None, status: bytes
) -> None:
    async def story(serving: Serving) -> None:
        answer = await asyncio.to_thread(raw, serving, request_head + CLOSE + b"\r\n", server_name)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert len(serving.core.asked) == (1 if status == b"200" else 0)

    told(story, tmp_path)


@pytest.mark.parametrize("server_name", ["evil.example", "None"])
def test_a_name_asked_for_by_sni_must_be_the_connections(tmp_path: Path, server_name: str) -> None:
    async def story(serving: Serving) -> None:
        request = b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\n\r\n"
        serving.core.script = lambda _: Reply(Head(200), b"", LABELS, time.time() + 60, Audience.EVERYONE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(serving.ca_file)

        def run(name: str | None) -> bytes:
            with context.wrap_socket(connect(serving.port, "quay.io:443"), server_hostname=name) as stream:
                stream.sendall(request)
                return stream.recv(65536)

        # Not even where the same bytes without a name were answered before.
        assert (await asyncio.to_thread(run, None)).startswith(b"HTTP/1.1 200 ")
        assert (await asyncio.to_thread(run, server_name)).startswith(b"HTTP/1.1 421 ")
        assert len(serving.core.asked) == 1

    told(story, tmp_path)


def test_a_context_that_does_not_note_the_name_asked_for_serves_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(serving: Serving) -> None:
        context = await serving.edge.contexts.context("quay.io")
        context.sni_callback = None
        assert await asyncio.to_thread(raw, serving, b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\n\r\n") == b""
        assert serving.core.asked == []

    told(story, tmp_path)
    assert "requested_name" in caplog.text


def test_an_alias_is_answered_under_its_canonical_authority(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        request = b"GET /v2/ HTTP/1.1\r\nHost: alias.example\r\n" + CLOSE + b"\r\n"
        answer = await asyncio.to_thread(raw, serving, request, "alias.example", "alias.example:443")
        assert answer.startswith(b"HTTP/1.1 200")
        assert serving.core.asked[0].authority == Authority("quay.io", 443)

    told(story, tmp_path)


def test_a_connection_serves_many_requests_also_sent_at_once(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def kept() -> list[bytes]:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                return [client.get("/v2/").body for _ in range(20)]

        assert await asyncio.to_thread(kept) == [b"hello"] * 20
        one = b"GET /v2/ HTTP/1.1\r\nHost: quay.io\r\n"
        answer = await asyncio.to_thread(raw, serving, (one + b"\r\n") * 9 + one + CLOSE + b"\r\n")
        assert answer.count(b"hello") == 10

    told(story, tmp_path)


def test_an_answer_in_http_1_0_ends_with_its_connection(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def script(_: Ask) -> Answer:
            ours, theirs = socket.socketpair()
            with ours:
                ours.sendall(b"no length")
            return Streaming(Head(200), theirs.detach(), Whole(), LABELS)

        serving.core.script = script
        request = b"GET /x HTTP/1.0\r\nHost: quay.io\r\nConnection: keep-alive\r\n\r\n"
        assert (await asyncio.to_thread(raw, serving, request)).endswith(b"\r\n\r\nno length")

    told(story, tmp_path)


class Whole:
    """A streamed body that ended as it should."""

    async def wait(self) -> None:
        return None


@pytest.mark.parametrize("chunked", [False, True])
def test_a_requests_body_reaches_the_core_whole(tmp_path: Path, chunked: bool) -> None:
    async def story(serving: Serving) -> None:
        received: list[bytes] = []

        async def script(ask: Ask) -> Answer:
            assert ask.body is not None
            with socket.socket(fileno=ask.body.fd) as body:
                body.setblocking(False)
                data = b""
                while chunk := await asyncio.get_running_loop().sock_recv(body, 65536):
                    data += chunk
            received.append(data)
            return hello(ask)

        serving.core.script = script
        data = b"b" * 3_000_000
        head = b"POST /x HTTP/1.1\r\nHost: quay.io\r\n" + CLOSE
        if chunked:
            body = b"".join(b"%x\r\n%s\r\n" % (100_000, data[:100_000]) for _ in range(30)) + b"0\r\n\r\n"
            request = head + b"Transfer-Encoding: chunked\r\n\r\n" + body
        else:
            request = head + b"Content-Length: %d\r\n\r\n" % len(data) + data
        answer = await asyncio.to_thread(raw, serving, request)
        assert answer.endswith(b"hello")
        assert received == [data]

    told(story, tmp_path)


def test_a_client_that_leaves_ends_its_answer(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        asked, cancelled = asyncio.Event(), asyncio.Event()

        async def script(_: Ask) -> Answer:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return Reply(Head(200), b"", LABELS)

        serving.core.script = script
        client = await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443")
        sending = asyncio.create_task(asyncio.to_thread(client.send, "GET", "/v2/"))
        await asyncio.wait_for(asked.wait(), 5)
        client._connection.sock.shutdown(socket.SHUT_RDWR)  # a client that is killed says nothing
        await asyncio.wait_for(cancelled.wait(), 5)
        await asyncio.gather(sending, return_exceptions=True)
        client.__exit__(None, None, None)
        finished = [event for event in serving.core.events if isinstance(event, ExchangeFinished)]
        assert [event.complete for event in finished] == [False]

    told(story, tmp_path)


def test_a_client_that_leaves_with_its_head_leaves_no_descriptor(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> None:
            context = ssl.create_default_context(cafile=str(serving.ca_file))
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = context.wrap_bio(incoming, outgoing, server_hostname="quay.io")
            with connect(serving.port, "quay.io:443") as raw:
                while True:
                    try:
                        session.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        raw.sendall(outgoing.read())
                        incoming.write(raw.recv(65536))
                session.write(b"POST /x HTTP/1.1\r\nHost: quay.io\r\nContent-Length: 3\r\n\r\n")
                with contextlib.suppress(ssl.SSLError):
                    session.unwrap()
                raw.sendall(outgoing.read())  # the head and the end in one piece

        await asyncio.to_thread(run)
        await until(lambda: not serving.edge.streams)
        await until(lambda: not serving.edge.tasks)
        before = descriptors()
        await asyncio.to_thread(run)
        await until(lambda: not serving.edge.streams)
        await until(lambda: not serving.edge.tasks)
        assert descriptors() == before
        assert serving.core.asked == []

    told(story, tmp_path)


def test_garbage_inside_tls_is_a_400_and_the_end(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        for garbage in (
            b"NONSENSE\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        ):
            answer = await asyncio.to_thread(raw, serving, garbage)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))
        assert serving.core.asked == []

    told(story, tmp_path)


@pytest.mark.parametrize("traced", [True, False])
def test_each_exchange_has_its_own_place_in_a_trace_where_they_are_traced(tmp_path: Path, traced: bool) -> None:
    async def story(serving: Serving) -> None:
        serving.edge.traced = traced
        head = Head(200, (("Content-Type", "text/plain"),))
        serving.core.script = lambda _: Reply(head, b"hello", LABELS, time.time() + 60, Audience.EVERYONE)

        def run() -> None:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                for _ in range(3):
                    assert client.get("/v2/").body == b"hello"
                for _ in range(3):
                    client.get("/v2/", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")

        def finished() -> list[ExchangeFinished]:
            return [event for event in serving.core.events if isinstance(event, ExchangeFinished)]

        await asyncio.to_thread(run)
        await until(lambda: len(finished()) == 6)
        spans = [event.span for event in finished()]
        assert [ask.span for ask in serving.core.asked] == spans[:1], "the rest is from memory"
        assert [event.trace for event in finished()][3:] == ["a" * 32] * 3
        if not traced:
            assert spans == [None] * 6
            return
        assert len({span.id for span in spans if span is not None}) == 6
        assert [event.trace for event in finished()] == [span.trace for span in spans if span is not None]
        assert {span.parent for span in spans[3:] if span is not None} == {"b" * 16}

    told(story, tmp_path)
