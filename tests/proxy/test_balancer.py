"""The PROXY protocol: whose word is taken, what is a header, and that not a byte more is read."""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from pathlib import Path

import pytest

from regproxy.model.event import ConnectFinished
from regproxy.model.measure import TurnedAway
from regproxy.proxy import listener
from regproxy.proxy.balancer import MAX_BLOCK, MAX_LINE, read_client
from tests.proxy.serving import Serving, told

BALANCER = "192.0.2.1"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def second(
    client: str, *, command: int = 0x21, family: int | None = None, more: bytes = b"", size: int | None = None
) -> bytes:
    """A header of version 2."""
    packed = ipaddress.ip_address(client).packed
    block = packed * 2 + struct.pack("!HH", 1234, 3128) + more
    kind = (0x11 if len(packed) == 4 else 0x21) if family is None else family
    return SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(block) if size is None else size) + block


def read(header: bytes, pieces: int = 1) -> tuple[str, bytes]:
    """The client that a header tells of, and what is left behind it."""

    async def run() -> tuple[str, bytes]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            asking = asyncio.ensure_future(read_client(ours, BALANCER))
            for at in range(0, len(header), max(1, len(header) // pieces)):
                theirs.sendall(header[at : at + max(1, len(header) // pieces)])
                await asyncio.sleep(0)
            theirs.shutdown(socket.SHUT_WR)
            client = await asyncio.wait_for(asking, 5)
            return client, ours.recv(65536)

    return asyncio.run(run())


@pytest.mark.parametrize("pieces", [1, 7, 40])
@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"PROXY TCP4 10.1.2.3 10.0.0.1 56324 3128\r\n", "10.1.2.3"),
        (b"PROXY TCP6 2001:DB8::1 2001:db8::2 56324 3128\r\n", "2001:db8::1"),
        (b"PROXY TCP6 ::ffff:10.1.2.3 ::1 1 2\r\n", "10.1.2.3"),
        (b"PROXY UNKNOWN\r\n", BALANCER),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", BALANCER),
        (second("10.1.2.3"), "10.1.2.3"),
        (second("2001:db8::1"), "2001:db8::1"),
        (second("::ffff:10.1.2.3"), "10.1.2.3"),
        (second("10.1.2.3", more=b"\x04\0\1x"), "10.1.2.3"),
        (second("10.1.2.3", command=0x20), BALANCER),
        (second("10.1.2.3", family=0), BALANCER),
        (second("10.1.2.3", family=0x31), BALANCER),
    ],
)
def test_a_header_tells_of_the_client_and_what_follows_it_is_the_clients(
    header: bytes, client: str, pieces: int
) -> None:
    assert read(header + b"CONNECT", pieces) == (client, b"CONNECT")


@pytest.mark.parametrize(
    "header",
    [
        b"CONNECT quay.io:443 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh",
        b"PROXY TCP4 10.1.2.3 10.0.0.1 56324\r\n",
        b"PROXY TCP4 10.1.2.3 10.0.0.1 56324 3128 \r\n",
        b"PROXY  TCP4 10.1.2.3 10.0.0.1 56324 3128\r\n",
        b"PROXY TCP4 10.1.2.300 10.0.0.1 56324 3128\r\n",
        b"PROXY TCP4 2001:db8::1 10.0.0.1 56324 3128\r\n",
        b"PROXY TCP6 10.1.2.3 10.0.0.1 56324 3128\r\n",
        b"PROXY TCP4 10.1.2.3 10.0.0.1 -1 3128\r\n",
        b"PROXY TCP4 10.1.2.3 10.0.0.1 65536 3128\r\n",
        b"PROXY TCP4 \xff 10.0.0.1 1 2\r\n",
        b"PROXY UDP4 10.1.2.3 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        b"PROXY TCP4 10.1.2.3",
        b"",
        SIGNATURE,
        second("10.1.2.3", command=0x22),
        second("10.1.2.3", command=0x11),
        second("10.1.2.3", size=11)[:27],
        second("10.1.2.3", size=MAX_BLOCK + 1),
        second("2001:db8::1", family=0x11, size=11),
    ],
)
def test_what_is_no_header_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(header)


@pytest.mark.parametrize(
    "header", [b"PROXY UNKNOWN " + b"x" * MAX_LINE + b"\r\n", second(BALANCER, more=b"x" * MAX_BLOCK)]
)
def test_a_header_has_its_bounds(header: bytes) -> None:
    with pytest.raises(ValueError, match="the header is too long"):
        read(header)


def asked_by(port: int, first: bytes) -> bytes:
    """What the proxy answers to a request behind these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(first + b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # what came instead of a header is not read
            while piece := connection.recv(4096):
                answer += piece
        return answer


def test_a_client_behind_a_balancer_is_known_by_its_own_address(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        for header in (b"PROXY TCP4 10.1.2.3 10.0.0.1 56324 3128\r\n", second("10.1.2.3")):
            answer = await asyncio.to_thread(asked_by, serving.port, header)
            assert answer.startswith(b"HTTP/1.1 403 regproxy refused elsewhere.example")
            assert serving.core.events[-1] == ConnectFinished(
                "10.1.2.3", "elsewhere.example", "refuse", 403, "regproxy refused elsewhere.example: not in the script"
            )

    told(story, tmp_path, LOOPBACK)


def test_from_a_balancer_a_header_must_come(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        assert await asyncio.to_thread(asked_by, serving.port, b"") == b""
        (refused,) = serving.core.events
        assert isinstance(refused, ConnectFinished)
        assert (refused.client, refused.status) == ("127.0.0.1", 400)
        assert "no header came" in refused.reason

    told(story, tmp_path, LOOPBACK)


def test_a_balancer_that_says_nothing_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEADER_SECONDS", 0.2)

    async def story(serving: Serving) -> None:
        def silent() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.port), timeout=10) as connection:
                return connection.recv(1)

        assert await asyncio.to_thread(silent) == b""
        (refused,) = serving.core.events
        assert isinstance(refused, ConnectFinished)
        assert "took too long" in refused.reason

    told(story, tmp_path, LOOPBACK)


def test_only_so_many_are_waited_for_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_PREPARING", 2)

    async def story(serving: Serving) -> None:
        with contextlib.ExitStack() as silent:
            for _ in range(2):
                silent.enter_context(socket.create_connection(("127.0.0.1", serving.port), 5))
            with socket.create_connection(("127.0.0.1", serving.port), 5) as third:
                assert await asyncio.to_thread(third.recv, 1) == b""
            assert serving.edge.measure("").turned_away == TurnedAway(preparing=1)

    told(story, tmp_path, LOOPBACK)


def test_whoever_is_no_balancer_cannot_say_where_it_comes_from(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        answer = await asyncio.to_thread(asked_by, serving.port, b"PROXY TCP4 10.1.2.3 10.0.0.1 56324 3128\r\n")
        assert b"403" not in answer.partition(b"\r\n")[0]
        assert "10.1.2.3" not in repr(serving.core.events)

    told(story, tmp_path, (ipaddress.ip_network("192.0.2.0/24"),))
