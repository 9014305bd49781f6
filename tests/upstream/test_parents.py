"""Through a parent proxy, by CONNECT: not a byte too many is read, and whatever it does instead is told."""

import asyncio
import socket
import time
from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from regproxy.model.address import Authority, Network
from regproxy.model.registry import ParentProxy
from regproxy.model.secret import Origin, Secret
from regproxy.upstream.parents import MAX_HEAD, Parents

GITHUB = Authority("github.com", 443)
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"),)
OPEN = b"HTTP/1.1 200 Connection established\r\nVia: a parent\r\n\r\n"


async def through(answers: Sequence[bytes], userinfo: str = "", seconds: float = 5.0) -> tuple[bytes, bytes]:
    """What the proxy that answers so was asked, and what comes out of the tunnel."""
    asked: list[bytes] = []
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            for answer in answers:
                writer.write(answer)
                await writer.drain()
                await asyncio.sleep(0.001)
            if not answers:
                await reader.read()
        finally:
            writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(serve(reader, writer)))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        address = Authority("127.0.0.1", server.sockets[0].getsockname()[1])
        secret = Secret(Origin("env", "PARENT"), f"http://{userinfo}@{address}") if userinfo else None
        with await Parents(frozenset()).connect(ParentProxy(address, secret), GITHUB, LOOPBACK, seconds) as connection:
            received, loop = b"", asyncio.get_running_loop()
            while chunk := await loop.sock_recv(connection, 4096):
                received += chunk
    finally:
        server.close()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)
    return asked[0], received


@pytest.mark.parametrize(
    "answers",
    [
        [OPEN + b"SSH-2.0 first"],
        [OPEN, b"SSH-2.0 first"],
        [bytes([byte]) for byte in OPEN + b"SSH-2.0 first"],
        [OPEN[:-2], OPEN[-2:] + b"SSH-2.0 first"],
        [b"HTTP/1.0 204 \r\nContent-Length: 5\r\n\r\nSSH-2.0 first"],
    ],
)
def test_what_the_far_end_says_first_is_left_for_the_tunnel(answers: list[bytes]) -> None:
    asked, received = asyncio.run(through(answers))
    assert received == b"SSH-2.0 first"
    assert asked.startswith(b"CONNECT github.com:443 HTTP/1.1\r\nHost: github.com:443\r\n")
    assert b"authorization" not in asked.lower()


@pytest.mark.parametrize(
    ("userinfo", "sent"),
    [
        ("user:hunter2", "dXNlcjpodW50ZXIy"),
        ("DOMAIN%5Cuser:p%40ss%3Aword%C3%A9", "RE9NQUlOXHVzZXI6cEBzczp3b3Jkw6k="),
        ("user", "dXNlcjo="),
        ("us@er:a@b", "dXNAZXI6YUBi"),
    ],
)
def test_user_and_password_of_the_url_are_sent(userinfo: str, sent: str) -> None:
    asked, _ = asyncio.run(through([OPEN], userinfo))
    assert f"\r\nProxy-Authorization: Basic {sent}\r\n".encode() in asked


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"], "answered 407 Proxy Authentication Required"),
        ([b"HTTP/1.1 403 No\x1b[31m!\r\nX: y\r\n\r\nbody"], r"answered 403 No.\[31m!"),
        ([b"HTTP/1.1 502\r\n\r\n"], "answered 502$"),
        ([b"HTTP/2.0 200 OK\r\n\r\n"], "no HTTP"),
        ([b"SSH-2.0\r\n\r\n"], "no HTTP"),
        ([b"HTTP/1.1 200 OK\r\n"], "without an answer"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * MAX_HEAD], "without end"),
    ],
)
def test_whatever_else_the_proxy_says_is_an_error_that_tells_it(answers: list[bytes], said: str) -> None:
    with pytest.raises(ConnectionError, match=said) as caught:
        asyncio.run(through(answers, "user:hunter2"))
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_says_nothing_is_given_up_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^the parent proxy did not connect to it within 0\.3 s$"):
        asyncio.run(through([], seconds=0.3))
    assert time.monotonic() - began < 3


def test_the_address_of_the_proxy_is_judged_like_any_other() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = Authority("127.0.0.1", server.getsockname()[1])
            with pytest.raises(ConnectionError, match=r"loopback.*allow-address"):
                await Parents(frozenset()).connect(ParentProxy(address), GITHUB, (), 5)
            with pytest.raises(ConnectionError, match="itself"):
                await Parents(frozenset([address])).connect(ParentProxy(address), GITHUB, LOOPBACK, 5)
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.accept()
        with pytest.raises(ConnectionError, match="Connection refused"):
            await Parents(frozenset()).connect(ParentProxy(address), GITHUB, LOOPBACK, 5)
        with pytest.raises(ConnectionError, match="does not resolve"):
            await Parents(frozenset()).connect(ParentProxy(Authority("parent.invalid", 1)), GITHUB, (), 5)

    asyncio.run(story())
