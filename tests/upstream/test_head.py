"""Header lines to one head."""

import pytest

from regproxy.model.message import Head
from regproxy.upstream.head import HeadReader
from regproxy.upstream.request import Limits


def read(*lines: bytes, limits: Limits | None = None) -> Head | None:
    reader = HeadReader(limits or Limits())
    heads = [head for line in lines if (head := reader.line(line)) is not None]
    assert len(heads) <= 1
    return heads[0] if heads else None


@pytest.mark.parametrize(
    ("lines", "head"),
    [
        ([b"HTTP/1.1 200 OK\r\n", b"\r\n"], Head(200, (), "OK")),
        ([b"HTTP/1.1 404\r\n", b"\r\n"], Head(404)),
        ([b"HTTP/1.0 200 \r\n", b"A: b \r\n", b"\r\n"], Head(200, (("A", "b"),))),
        ([b"HTTP/1.1 200 OK\n", b"A:b\n", b"\n"], Head(200, (("A", "b"),), "OK")),
        ([b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", b"  c\r\n", b"\r\n"], Head(200, (("A", "b c"),), "OK")),
        ([b"HTTP/1.1 200 OK\r\n", b"A:\r\n", b"A: \xe9\r\n", b"\r\n"], Head(200, (("A", ""), ("A", "é")), "OK")),
        ([b"HTTP/1.1 103 E\r\n", b"L: 1\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n", b"\r\n"], Head(200, (), "OK")),
        ([b"HTTP/1.1 200 OK\r\n", b"\r\n", b"Trailer: 1\r\n", b"\r\n"], Head(200, (), "OK")),
        (
            [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n"],
            Head(200, (("Transfer-Encoding", "chunked"),), "OK"),
        ),
        ([b"HTTP/2 200 \r\n", b"a: b\r\n", b"\r\n"], Head(200, (("a", "b"),))),
        ([b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"], None),
    ],
)
def test_lines_become_one_final_head(lines: list[bytes], head: Head | None) -> None:
    assert read(*lines) == head


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([b"HTTP/1.1 20 OK\r\n"], "status line"),
        ([b"ICY 200 OK\r\n"], "status line"),
        ([b"HTTP/1.1 200 OK\r\n", b" folded\r\n"], "folded"),
        ([b"HTTP/1.1 200 OK\r\n", b"A B: c\r\n"], "no field"),
        ([b"HTTP/1.1 200 OK\r\n", b"A : c\r\n"], "no field"),
        ([b"HTTP/1.1 200 OK\r\n", b"A: c\0d\r\n"], "no field"),
        ([b"HTTP/1.1 200 OK\r\n", b"A: c\rd\r\n"], "no field"),
        ([b"HTTP/1.1 200 OK\r\n", b"A: cut"], "middle of a line"),
        ([b"HTTP/1.1 200 OK\r\n", b"A: 1\r\n", b"B: 1\r\n", b"C: 1\r\n"], "more than 2 fields"),
        ([b"HTTP/1.1 200 OK\r\n", b"A: " + b"x" * 100 + b"\r\n"], "larger than 100 bytes"),
        ([b"HTTP/1.1 100 C\r\n", b"\r\n"] * 3, "more than 2 informational"),
        ([b"HTTP/1.1 101 S\r\n", b"\r\n"], "switched protocols"),
    ],
)
def test_what_breaks_the_grammar_or_a_limit_is_said_in_words(lines: list[bytes], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(*lines, limits=Limits(head_bytes=100, head_fields=2, informational=2))
