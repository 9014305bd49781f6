"""The client's stream: TLS in place, one deadline at a time, ends that say what they are."""

import asyncio
import inspect
import os
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import pytest
from tornado.http1connection import HTTP1Connection
from tornado.iostream import BaseIOStream, IOStream

from regproxy.model.answer import Answer, Ask, Reply
from regproxy.model.event import ExchangeFinished, HandshakeFailed
from regproxy.model.message import Head
from regproxy.proxy import stream as stream_module
from regproxy.proxy.sending import TURN_BYTES
from regproxy.proxy.stream import ClientStream
from tests.lab.client import Client, connect
from tests.lab.peers import need
from tests.proxy.serving import LABELS, Serving, told

BIG = os.urandom(5_000_000)
SHARE_BYTES = 20 * TURN_BYTES


def test_what_we_use_of_tornado_beyond_its_interface_is_there() -> None:
    made = inspect.getsource(BaseIOStream.__init__)
    for name in ("_closed", "_write_buffer", "_read_buffer", "_read_buffer_size", "_read_max_bytes", "_state"):
        assert f"self.{name}" in made
    names = "_handle_events _handle_read _handle_write _add_io_state _check_closed _check_max_bytes"
    for name in names.split():
        assert callable(getattr(IOStream, name))
    # What the reply looks at, and what moves it on, in the connection above the stream.
    assert "self._expected_content_remaining -= len(chunk)" in inspect.getsource(HTTP1Connection)


@asynccontextmanager
async def two_streams() -> AsyncIterator[list[ClientStream]]:
    """Streams whose clients take everything as fast as threads can."""
    scratch = memoryview(bytearray(TURN_BYTES))
    pairs = [socket.socketpair() for _ in range(2)]
    takers = [asyncio.ensure_future(asyncio.to_thread(take_all, theirs)) for _, theirs in pairs]
    for ours, _ in pairs:
        ours.setblocking(False)
    streams = [ClientStream(ours, scratch, lambda _: None) for ours, _ in pairs]
    try:
        yield streams
    finally:
        for stream in streams:
            stream.close()
        assert await asyncio.gather(*takers) == [SHARE_BYTES, SHARE_BYTES]


def take_all(connection: socket.socket) -> int:
    with connection:
        return sum(iter(lambda: len(connection.recv(1 << 20)), 0))


class Turns:
    """Counts the turns of the event loop while something runs."""

    def __init__(self) -> None:
        self.number = 0
        self._next = asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self.number += 1
        self._next = asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._next.cancel()


def test_however_fast_its_reader_a_body_gets_one_share_of_each_turn() -> None:
    async def run() -> None:
        async with two_streams() as streams:
            turns, shares = Turns(), Counter[tuple[int, int]]()

            def source(name: int) -> Callable[[memoryview], int]:
                left = SHARE_BYTES

                def read(room: memoryview) -> int:
                    nonlocal left
                    size = min(left, len(room))
                    left -= size
                    shares[turns.number, name] += size
                    return size

                return read

            await asyncio.gather(*(stream.pump(source(name)) for name, stream in enumerate(streams)))
            turns.stop()
        assert max(shares.values()) == TURN_BYTES
        # The second begins in the turn in which the first did: it does not wait for the first one's end.
        first = [min(turn for turn, name in shares if name == wanted) for wanted in (0, 1)]
        assert first[0] == first[1]

    asyncio.run(run())


def test_a_coroutine_that_writes_without_end_gets_one_share_of_each_turn() -> None:
    async def run() -> None:
        async with two_streams() as streams:

            async def write(stream: ClientStream) -> int:
                turns = Turns()
                for _ in range(SHARE_BYTES // TURN_BYTES):
                    await stream.write(BIG[:TURN_BYTES])
                turns.stop()
                return turns.number

            spent = await asyncio.gather(*map(write, streams))
        assert min(spent) >= SHARE_BYTES // TURN_BYTES - 1

    asyncio.run(run())


def test_whoever_is_told_of_the_end_and_fails_keeps_no_socket_open() -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        stream = ClientStream(ours, memoryview(bytearray(TURN_BYTES)), lambda _: None)

        def fail() -> None:
            raise RuntimeError("a mistake")

        stream.ended = fail
        with theirs, pytest.raises(RuntimeError, match="a mistake"):
            stream.abort()
        assert stream.closed()
        assert ours.fileno() == -1

    asyncio.run(run())


def test_a_client_that_takes_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "SEND_SECONDS", 0.3)

    async def story(serving: Serving) -> None:
        serving.core.script = lambda _: Reply(Head(200), BIG * 8, LABELS)

        def begin() -> Client:
            client = Client(serving.port, serving.ca_file, "quay.io:443")
            client.send("GET", "/v2/")
            return client

        client = await asyncio.to_thread(begin)
        async with asyncio.timeout(10):
            while not any(isinstance(event, ExchangeFinished) for event in serving.core.events):
                await asyncio.sleep(0.01)
        assert not serving.edge.streams
        finished = next(event for event in serving.core.events if isinstance(event, ExchangeFinished))
        assert not finished.complete
        client.__exit__(None, None, None)

    told(story, tmp_path)


def test_new_keys_in_the_middle_of_a_connection_are_answered(tmp_path: Path) -> None:
    need("openssl")

    async def story(serving: Serving) -> None:
        proxy = f"127.0.0.1:{serving.port}"
        command = ["openssl", "s_client", "-proxy", proxy, "-connect", "quay.io:443", "-servername", "quay.io"]

        def run() -> bytes:
            with subprocess.Popen(
                [*command, "-CAfile", str(serving.ca_file), "-verify_return_error"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as client:
                assert client.stdin is not None
                assert client.stdout is not None
                # K: new keys for both sides. What we send after it must be read under them.
                said = told_to(client.stdin, client.stdout, b"K\n", b"KEYUPDATE")
                request = b"GET /x HTTP/1.1\r\nHost: quay.io\r\nConnection: close\r\n\r\n"
                said += told_to(client.stdin, client.stdout, request, b"hello")
                client.kill()
                return said

        assert b"200 OK" in await asyncio.wait_for(asyncio.to_thread(run), 20)

    told(story, tmp_path)


def told_to(stdin: IO[bytes], stdout: IO[bytes], text: bytes, until: bytes) -> bytes:
    """What a program says until it says a certain word, once it was told something."""
    stdin.write(text)
    stdin.flush()
    said = b""
    while until not in said:
        piece = os.read(stdout.fileno(), 65536)
        assert piece, said
        said += piece
    return said


def test_large_bodies_arrive_whole_through_memory_bios(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.script = lambda _: Reply(Head(200), BIG, LABELS)

        def run() -> list[bytes]:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                return [client.get("/v2/").body for _ in range(3)]

        results = await asyncio.gather(*(asyncio.to_thread(run) for _ in range(4)))
        assert all(body == BIG for bodies in results for body in bodies)

    told(story, tmp_path)


def test_an_orderly_end_says_close_notify_and_an_abort_does_not(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> bytes:
            context = ssl.create_default_context(cafile=str(serving.ca_file))
            raw = connect(serving.port, "quay.io:443")
            with context.wrap_socket(raw, server_hostname="quay.io", suppress_ragged_eofs=False) as client:
                client.sendall(b"GET /x HTTP/1.1\r\nHost: quay.io\r\nConnection: close\r\n\r\n")
                received = b""
                while chunk := client.recv(65536):
                    received += chunk
                return received

        assert (await asyncio.to_thread(run)).endswith(b"hello")

        async def broken(_: Ask) -> Answer:
            next(iter(serving.edge.streams)).abort()
            return Reply(Head(200), b"never", LABELS)

        serving.core.script = broken
        with pytest.raises((ssl.SSLError, OSError)):
            await asyncio.to_thread(run)

    told(story, tmp_path)


def test_a_client_that_ends_tls_between_requests_and_listens_is_told_that_we_do_too(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> bytes:
            context = ssl.create_default_context(cafile=str(serving.ca_file))
            with context.wrap_socket(connect(serving.port, "quay.io:443"), server_hostname="quay.io") as client:
                client.sendall(b"GET /x HTTP/1.1\r\nHost: quay.io\r\n\r\n")
                received = b""
                while not received.endswith(b"hello"):
                    received += client.recv(65536)
                # Raises where the peer closes without close_notify.
                with client.unwrap() as raw:
                    return raw.recv(1)

        assert await asyncio.to_thread(run) == b""
        assert not serving.edge.streams

    told(story, tmp_path)


def test_a_client_that_does_not_know_the_ca_is_told_apart(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> None:
            context = ssl.create_default_context()
            with context.wrap_socket(connect(serving.port, "quay.io:443"), server_hostname="quay.io"):
                pass

        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(run)
        async with asyncio.timeout(5):
            while not any(isinstance(event, HandshakeFailed) for event in serving.core.events):
                await asyncio.sleep(0.01)
        failed = next(event for event in serving.core.events if isinstance(event, HandshakeFailed))
        assert (failed.authority, failed.cause) == ("quay.io", "unknown_ca")

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("limit", "begin"),
    [
        ("HEAD_SECONDS", b""),
        ("HEAD_SECONDS", b"CONNECT quay.io"),
        ("HANDSHAKE_SECONDS", b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\n\r\n"),
    ],
)
def test_a_client_that_says_too_little_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, begin: bytes
) -> None:
    monkeypatch.setattr(stream_module, limit, 0.3)

    async def story(serving: Serving) -> None:
        def run() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.port), 5) as client:
                client.sendall(begin)
                received = b""
                while chunk := client.recv(4096):
                    received += chunk
                return received

        async with asyncio.timeout(4):
            await asyncio.to_thread(run)

    told(story, tmp_path)


def test_an_idle_connection_is_let_go_and_a_waiting_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module.ClientStream.await_request, "__defaults__", (0.3,))

    async def story(serving: Serving) -> None:
        async def slow(_: Ask) -> Answer:
            await asyncio.sleep(0.8)
            return Reply(Head(200), b"late", LABELS)

        serving.core.script = slow

        def run() -> bool:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                assert client.get("/v2/").body == b"late"
                return client._connection.sock.recv(1) == b""

        assert await asyncio.wait_for(asyncio.to_thread(run), 5)

    told(story, tmp_path)


def test_a_reader_that_takes_nothing_holds_only_a_few_pieces(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.script = lambda _: Reply(Head(200), BIG * 4, LABELS)

        def begin() -> Client:
            client = Client(serving.port, serving.ca_file, "quay.io:443")
            client.send("GET", "/v2/")
            return client

        stuck = await asyncio.to_thread(begin)

        def other() -> bytes:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                return client.get("/v2/").body

        assert await asyncio.wait_for(asyncio.to_thread(other), 10) == BIG * 4
        await asyncio.to_thread(stuck.__exit__, None, None, None)

    told(story, tmp_path)
