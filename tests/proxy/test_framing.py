"""Requests that two readers may divide differently: at most one is served, and the connection ends with it."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest
from tornado.httputil import HTTPHeaders, RequestStartLine

from regproxy.proxy.edge import MAX_HEAD_BYTES
from regproxy.proxy.framing import MAX_FIELDS, fault, has_bare_line_feed
from tests.lab.client import connect
from tests.proxy.serving import Serving, told

CANARY = b"GET /smuggled HTTP/1.1\r\nHost: quay.io\r\n\r\n"
G, P, H = b"GET /v2/ HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: quay.io\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: 0\r\n"
# Each is followed by the canary: as the body of what comes first, as the rest of it, or as a request of its own.
REFUSED = {
    "a length and chunks": P + H + CHUNKED + LENGTH + b"\r\n0\r\n\r\n",
    "chunks and a length": P + H + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "a length and chunks in another case": P + H + b"CONTENT-LENGTH: 4\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
    "two lengths": P + H + b"Content-Length: 0\r\nContent-Length: 41\r\n\r\n",
    "two lengths that agree": P + H + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": P + H + b"Content-Length: 0, 41\r\n\r\n",
    "a list of lengths that agree": P + H + b"Content-Length: 0, 0\r\n\r\n",
    "a length with a sign": P + H + b"Content-Length: +0\r\n\r\n",
    "a negative length": P + H + b"Content-Length: -1\r\n\r\n",
    "a length with an underscore": P + H + b"Content-Length: 0_0\r\n\r\n",
    "a length in hexadecimal": P + H + b"Content-Length: 0x0\r\n\r\n",
    "a length in other digits": P + H + "Content-Length: \u0660\r\n\r\n".encode(),
    "a length with a fraction": P + H + b"Content-Length: 0.0\r\n\r\n",
    "an empty length": P + H + b"Content-Length: \r\n\r\n",
    "a length beyond all bounds": P + H + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a length and a space before its colon": P + H + b"Content-Length : 41\r\n\r\n",
    "a coding before chunked": P + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": P + H + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": P + H + b"Transfer-Encoding: identity\r\n\r\n",
    "a coding that only looks like chunked": P + H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in quotes": P + H + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked twice": P + H + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked behind a vertical tab": P + H + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked with a space before its colon": P + H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /x HTTP/1.0\r\n" + H + CHUNKED + b"\r\n0\r\n\r\n",
    "lines that end in LF": b"GET /v2/ HTTP/1.1\nHost: quay.io\n\n",
    "one line that ends in LF": G + H + b"X: y\nContent-Length: 41\r\n\r\n",
    "a head that ends in LF": G + b"Host: quay.io\r\n\n",
    "a bare CR": G + H + b"X: y\rContent-Length: 41\r\n\r\n",
    "a folded line": P + H + b"X: y\r\n Content-Length: 41\r\n\r\n",
    "a folded coding": P + H + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a NUL in a value": G + H + b"X: a\0b\r\n\r\n",
    "a field without a name": G + H + b": x\r\n\r\n",
    "a field without a colon": G + H + b"Content-Length 41\r\n\r\n",
    "a space in a name": G + H + b"Content Length: 41\r\n\r\n",
    "two hosts": G + H + b"Host: evil.example\r\n\r\n",
    "no host": G + b"\r\n",
    "a host with a user": G + b"Host: quay.io@evil.example\r\n\r\n",
    "a host with a port out of range": G + b"Host: quay.io:99999999\r\n\r\n",
    "a host with a path": G + b"Host: quay.io/x\r\n\r\n",
    "another host": G + b"Host: evil.example\r\n\r\n",
    "another host in the target": b"GET https://evil.example/v2/ HTTP/1.1\r\n" + H + b"\r\n",
    "another scheme in the target": b"GET ftp://quay.io/ HTTP/1.1\r\n" + H + b"\r\n",
    "HTTP/1.2": b"GET /v2/ HTTP/1.2\r\n" + H + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /v2/\r\n\r\n",
    "no version": b"GET /v2/ HTTP/\r\n" + H + b"\r\n",
    "two spaces": b"GET  /v2/ HTTP/1.1\r\n" + H + b"\r\n",
    "a tab": b"GET\t/v2/ HTTP/1.1\r\n" + H + b"\r\n",
    "a space in the target": b"GET /v2/ x HTTP/1.1\r\n" + H + b"\r\n",
    "a NUL in the target": b"GET /v2/\0 HTTP/1.1\r\n" + H + b"\r\n",
    "a CONNECT in a tunnel": b"CONNECT quay.io:443 HTTP/1.1\r\n" + H + b"\r\n",
    "an expectation": P + H + b"Expect: 200-ok\r\nContent-Length: 41\r\n\r\n",
    "too many fields": G + H + b"X: y\r\n" * MAX_FIELDS + b"\r\n",
    "too large a head": G + H + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    "a head without an end": G + H + b"X: y\r\n" * 20_000,
}
# Told apart only in the body, when the request itself was passed on: nothing behind it is served.
BROKEN = {
    "a chunk that is longer": P + H + CHUNKED + b"\r\n5\r\nhellohello\r\n0\r\n\r\n",
    "a chunk with an extension": P + H + CHUNKED + b"\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
    "a chunk size with a sign": P + H + CHUNKED + b"\r\n+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with 0x": P + H + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with an underscore": P + H + CHUNKED + b"\r\n1_0\r\n" + b"h" * 16 + b"\r\n0\r\n\r\n",
    "a chunk size beyond all bounds": P + H + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n",
    "a chunk line that ends in LF": P + H + CHUNKED + b"\r\n5\nhello\r\n0\r\n\r\n",
    "a chunk that ends in LF": P + H + CHUNKED + b"\r\n5\r\nhello\n0\r\n\r\n",
    "an empty chunk size": P + H + CHUNKED + b"\r\n\r\nhello\r\n0\r\n\r\n",
    "a trailer": P + H + CHUNKED + b"\r\n5\r\nhello\r\n0\r\nContent-Length: 41\r\n\r\n",
}


def exchanged(serving: Serving, request: bytes) -> bytes:
    """What comes back for these bytes inside TLS, to the end of the connection; a reset is one, too."""
    context = ssl.create_default_context(cafile=str(serving.ca_file))
    received = b""
    with context.wrap_socket(connect(serving.port, "quay.io:443"), server_hostname="quay.io") as stream:
        stream.settimeout(5)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            stream.sendall(request)
            while chunk := stream.recv(65536):
                received += chunk
    return received


def test_nothing_hides_behind_a_request_that_may_be_read_in_two_ways(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        for name, request in REFUSED.items():
            answer = await asyncio.to_thread(exchanged, serving, request + CANARY)
            assert serving.core.asked == [], name
            assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), (name, answer)
            assert answer.count(b"\r\n\r\n") <= 1, name
        assert not serving.edge.streams

    assert len(REFUSED) + len(BROKEN) > 60
    told(story, tmp_path)


def test_nothing_hides_behind_a_body_that_may_be_read_in_two_ways(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        for name, request in BROKEN.items():
            await asyncio.to_thread(exchanged, serving, request + CANARY)
            assert {ask.target for ask in serving.core.asked} <= {"/x"}, name
            serving.core.asked.clear()

    told(story, tmp_path)


@pytest.mark.parametrize(
    "head",
    [
        b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\nContent-Length: 5\r\n\r\n",
        b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"CONNECT quay.io:443 HTTP/1.2\r\nHost: quay.io:443\r\n\r\n",
        b"CONNECT quay.io:443 HTTP/1.1\nHost: quay.io:443\n\n",
        b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"GET http://quay.io/ HTTP/1.1\r\nHost: quay.io\r\nContent-Length: 0, 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: proxy\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_the_proxys_own_port_is_as_strict(head: bytes, tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.port), 5) as client:
                client.sendall(head + b"GET /ca.crt HTTP/1.1\r\nHost: proxy\r\n\r\n")
                received = b""
                with contextlib.suppress(ConnectionResetError):
                    while chunk := client.recv(65536):
                        received += chunk
                return received

        answer = await asyncio.to_thread(run)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
        assert b"BEGIN CERTIFICATE" not in answer
        assert b" 200 " not in answer

    told(story, tmp_path)


def test_what_is_too_large_is_told_so_at_once(tmp_path: Path) -> None:
    """Also where the bound lies exactly where TLS has handed over all that it took from the socket."""

    async def story(serving: Serving) -> None:
        for size in (60_000, 65_450, 65_480, 65_536, 66_000, 100_000, 131_072):
            request = G + H + b"Connection: close\r\nX: " + b"y" * size + b"\r\n\r\n"
            answer = await asyncio.to_thread(exchanged, serving, request)
            assert answer.startswith(b"HTTP/1.1 200 " if len(request) < MAX_HEAD_BYTES else b"HTTP/1.1 431 "), size

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        ("GET /v2/ HTTP/1.1", {}, None),
        ("GET / HTTP/1.0", {}, None),
        ("POST / HTTP/1.1", {"Content-Length": "12"}, None),
        ("POST / HTTP/1.1", {"Transfer-Encoding": "Chunked"}, None),
        ("POST / HTTP/1.1", {"Expect": "100-continue", "Content-Length": "1"}, None),
        ("CONNECT a:443 HTTP/1.1", {"Content-Length": "0"}, None),
        ("CONNECT a:443 HTTP/1.1", {"Content-Length": "1"}, 400),
        ("GET / HTTP/1.2", {}, 505),
        ("GET / HTTP/1.1", {f"X-{number}": "" for number in range(MAX_FIELDS)}, None),
        ("GET / HTTP/1.1", {f"X-{number}": "" for number in range(MAX_FIELDS + 1)}, 431),
        ("POST / HTTP/1.1", {"Expect": "more"}, 417),
    ],
)
def test_what_real_clients_send_is_served(line: str, fields: dict[str, str], status: int | None) -> None:
    found = fault(RequestStartLine(*line.split(" ")), HTTPHeaders(fields))
    assert (found[0] if found is not None else None) == status


@pytest.mark.parametrize(
    ("head", "bare"), [(b"a\r\nb\r\n\r\n", False), (b"a\nb\r\n\r\n", True), (b"\na", True), (b"a\r\n\n", True)]
)
def test_a_line_feed_alone_ends_no_line(head: bytes, bare: bool) -> None:
    assert has_bare_line_feed(head) is bare
