"""What is answered below Tornado is answered as Tornado would have it: odd bytes always reach the parser."""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection

from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Audience, Forget, Reply
from regproxy.model.connect import Refuse
from regproxy.model.event import ConnectFinished
from regproxy.model.message import Head
from regproxy.proxy import heads as module
from regproxy.proxy.heads import MAX_HEAD_BYTES, ConnectHeads, Known, is_one_head
from tests.lab.client import Client, Refused, connect
from tests.proxy.serving import LABELS, Serving, serving, told

QUAY = Authority("quay.io", 443)
CONNECT = b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\n\r\n"
HERE, THERE = "10.0.0.1", "10.0.0.2"
PROVEN = CONNECT.replace(b"\r\n\r\n", b"\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n\r\n")
PLAIN = b"GET /v2/a/b/manifests/1 HTTP/1.1\r\nHost: quay.io\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: quay.io\r\nConnection: close\r\n\r\n"
CHANGING = re.compile(rb"\r\n(?:Date|Age): [^\r]*")


@pytest.mark.parametrize(
    ("came", "one"),
    [
        (CONNECT, True),
        (PLAIN, True),
        (b"", False),
        (PLAIN[:-1], False),
        (PLAIN + b"x", False),
        (PLAIN * 2, False),
        (b"\r\n\r\n" + PLAIN, False),
        (b"GET /a HTTP/1.1\nHost: quay.io\n\n" + PLAIN, False),
        (b"GET /a HTTP/1.1\r\nHost: quay.io\n\r\n" + PLAIN, False),
        (b"GET /a HTTP/1.1\nHost: quay.io\n\n", True),
    ],
)
def test_a_head_ends_where_tornado_ends_it(came: bytes, one: bool) -> None:
    assert is_one_head(came) is one


@pytest.mark.parametrize(
    ("head", "fields", "learned"),
    [
        (CONNECT, ["host"], True),
        (CONNECT, ["host", "user-agent", "proxy-connection"], True),
        (CONNECT, ["host", "content-length"], False),
        (CONNECT, ["transfer-encoding"], False),
        (CONNECT, ["expect"], False),
        (PROVEN, ["host", "proxy-authorization"], True),
        (PROVEN, ["host", "proxy-authorization", "cookie"], False),
        (PROVEN + b"x", ["proxy-authorization"], False),
        (PROVEN + b"x" * MAX_HEAD_BYTES, ["proxy-authorization"], False),
        (CONNECT + b"x", ["host"], False),
        (b"CONNECT quay.io:443 HTTP/1.1\r\nUser-Agent: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", ["user-agent"], False),
    ],
)
def test_only_a_connect_of_which_nothing_else_depends_is_learned(head: bytes, fields: list[str], learned: bool) -> None:
    known = ConnectHeads()
    known.learn(head, frozenset(fields), HERE, Known(QUAY))
    assert known.find(head, HERE) == (Known(QUAY) if learned else None)
    assert known.find(head[:-1], HERE) is None


def test_who_a_client_proved_to_be_is_known_for_its_address_alone_until_the_policy_changes() -> None:
    known = ConnectHeads()
    known.learn(PROVEN, frozenset(["host", "proxy-authorization"]), HERE, Known(QUAY, "ann"))
    assert known.find(PROVEN, HERE) == Known(QUAY, "ann")
    others = (PROVEN.replace(b"YW5u", b"YW5v"), PROVEN.replace(b"quay", b"quaz"), CONNECT, HERE.encode() + PROVEN)
    assert [known.find(other, HERE) for other in others] == [None] * len(others)
    assert known.find(PROVEN, THERE) is None
    assert not any(b"YW5u" in head for head in (*known._plain, *known._proven))
    known.forget_users()
    assert known.find(PROVEN, HERE) is None


def test_what_is_learned_is_bounded_and_what_is_used_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HEADS", 10)
    known, fields = ConnectHeads(), frozenset(["proxy-authorization"])
    known.learn(CONNECT, frozenset(), HERE, Known(QUAY))
    known.learn(PROVEN, fields, HERE, Known(QUAY, "ann"))
    for number in range(30):
        head, other = b"CONNECT h%d:443 HTTP/1.1\r\n\r\n" % number, Known(Authority(f"h{number}", 443))
        known.learn(head, frozenset(), HERE, other)
        known.learn(head, fields, HERE, other)
        assert known.find(CONNECT, THERE) == Known(QUAY)
        assert known.find(PROVEN, HERE) == Known(QUAY, "ann")
    assert len(known) == 20


# Through a real edge: cold, where all is parsed, and warm, where the plain request and CONNECT are known.


def script(ask: Ask) -> Answer:
    """An answer for everyone that shows what was asked."""
    fields = (("ETag", '"e"'), ("Age", "5"))
    return Reply(Head(200, fields), f"{ask.method} {ask.target}".encode(), LABELS, 1e12, Audience.EVERYONE)


def received(connection: socket.socket, last: bytes | None = None) -> bytes:
    """All that comes to the end of the connection, or to `last`, less what differs from time to time."""
    connection.settimeout(5)
    answers = b""
    try:
        while (last is None or not answers.endswith(last)) and (chunk := connection.recv(65536)):
            answers += chunk
    except ConnectionResetError:
        pass
    return CHANGING.sub(b"", answers)


def in_order(running: Serving, pieces: list[bytes]) -> bytes:
    """What the proxy answers when these are sent one by one through TLS."""
    context = ssl.create_default_context(cafile=str(running.ca_file))
    with context.wrap_socket(connect(running.port, "quay.io:443"), server_hostname="quay.io") as stream:
        for piece in pieces[:-1]:
            stream.sendall(piece)
            stream.settimeout(5)
            assert stream.recv(65536).startswith(b"HTTP/1.1 200 OK")
        stream.sendall(pieces[-1])
        return received(stream)


def cold_and_warm(directory: Path, ask: Callable[[Serving, list[bytes]], bytes], warming: list[bytes]) -> list[bytes]:
    """What a new edge answers, and what another does that was asked plainly before, twice."""

    async def run() -> list[bytes]:
        answers = []
        for name, before in (("cold", []), ("warm", warming)):
            async with serving(directory / name) as running:
                running.core.script = script
                if before:
                    await asyncio.to_thread(in_order, running, [PLAIN, LAST])
                answers += [await asyncio.to_thread(ask, running, before) for _ in range(2)]
        return answers

    return asyncio.run(run())


@pytest.mark.parametrize(
    "odd",
    [
        PLAIN,
        PLAIN.replace(b"quay.io", b"evil.example"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nHost: evil.example\r\n\r\n"),
        PLAIN.replace(b"Host: quay.io\r\n", b""),
        PLAIN.replace(b"Host: quay.io", b"Host : quay.io"),
        PLAIN.replace(b"Host: quay.io", b"Host: quay.io:444"),
        PLAIN.replace(b"Host: quay.io", b"Host: QUAY.IO"),
        PLAIN.replace(b"GET /", b"GET https://quay.io/"),
        PLAIN.replace(b"GET /", b"GET https://evil.example/"),
        PLAIN.replace(b"GET /", b"get /"),
        PLAIN.replace(b"GET /", b"GET  /"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/2.0"),
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN.replace(b"\r\n", b"\n") + PLAIN,
        b"\r\n" + PLAIN,
        b"\r\n\r\n" + PLAIN,
        PLAIN + PLAIN,
        PLAIN + PLAIN[:20],
        PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nRange: bytes=1-2\r\n\r\n"),
        PLAIN.replace(b"\r\n\r\n", b'\r\nIf-None-Match: "e"\r\n\r\n'),
        PLAIN.replace(b"\r\n\r\n", b"\r\nX-Folded: a\r\n b\r\n\r\n"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nX-Nul: \x00\r\n\r\n"),
        PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        PLAIN.replace(b"/a/b/", b"/a/../b/"),
        PLAIN.replace(b"/a/b/", b"/a%2fb/"),
        b"HEAD" + PLAIN[3:],
        b"\x00\x01\x02\r\n\r\n",
    ],
)  # fmt: skip
def test_an_odd_request_is_answered_alike_where_the_plain_one_is_known(odd: bytes, tmp_path: Path) -> None:
    def ask(running: Serving, before: list[bytes]) -> bytes:
        return in_order(running, [*before, odd + LAST])

    first, *others = cold_and_warm(tmp_path, ask, [PLAIN, PLAIN])
    assert first
    assert others == [first] * 3


@pytest.mark.parametrize(
    "odd",
    [
        CONNECT,
        CONNECT.replace(b"CONNECT", b"connect"),
        CONNECT.replace(b"quay.io", b"QUAY.IO"),
        CONNECT.replace(b"CONNECT quay.io", b"CONNECT evil.example"),
        CONNECT.replace(b"Host: quay.io", b"Host: evil.example"),
        CONNECT.replace(b"Host: quay.io", b"Host: evil.example\r\nHost: quay.io"),
        CONNECT.replace(b"Host: quay.io:443\r\n", b""),
        CONNECT.replace(b"Host: quay.io:443", b"Host: quay.io"),
        CONNECT.replace(b"Host: quay.io:443", b"Host: quay.io:444"),
        CONNECT.replace(b":443 HTTP", b" HTTP"),
        CONNECT.replace(b"HTTP/1.1", b"HTTP/1.0"),
        CONNECT.replace(b"HTTP/1.1", b"HTTP/2.0"),
        CONNECT.replace(b"\r\n", b"\n"),
        CONNECT.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"),
        CONNECT.replace(b"\r\n\r\n", b"\r\nProxy-Authorization: Basic eDp5\r\n\r\n"),
        CONNECT + PLAIN,
        b"\r\n" + CONNECT,
        CONNECT[:-2] + b"\x00: \r\n\r\n",
    ],
)
def test_an_odd_connect_is_answered_alike_where_the_plain_one_is_known(odd: bytes, tmp_path: Path) -> None:
    def ask(running: Serving, _: list[bytes]) -> bytes:
        with socket.create_connection(("127.0.0.1", running.port), 5) as client:
            client.sendall(odd)
            return received(client, b"established\r\n\r\n")

    first, *others = cold_and_warm(tmp_path, ask, [PLAIN])
    assert others == [first] * 3


def test_a_known_connect_is_decided_anew_each_time(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def visit() -> int:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                return client.get("/v2/").status

        assert [await asyncio.to_thread(visit) for _ in range(2)] == [200, 200]
        serving.core.decisions[QUAY] = Refuse(403, "regproxy refused quay.io: no more")
        with pytest.raises(Refused, match="no more"):
            await asyncio.to_thread(visit)
        noted = [event.decision for event in serving.core.events if isinstance(event, ConnectFinished)]
        assert noted == ["intercept", "intercept", "refuse"]

    told(story, tmp_path)


def test_a_known_credential_is_not_asked_about_again_until_the_policy_changes(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.users = {"Basic ann": "ann"}

        def visit() -> None:
            with Client(serving.port, serving.ca_file, "quay.io:443", proof="Basic ann") as client:
                assert client.get("/v2/").status == 200

        for _ in range(3):
            await asyncio.to_thread(visit)
        assert len(serving.core.identified) == 1
        assert {ask.user for ask in serving.core.asked} == {"ann"}
        serving.core.users = {}
        for watcher in serving.core.watchers:
            watcher(Forget())
        with pytest.raises(Refused, match="407"):
            await asyncio.to_thread(visit)
        assert len(serving.core.identified) == 2

    told(story, tmp_path)


def test_what_a_credential_proved_under_a_policy_that_is_gone_is_not_known(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.users = {"Basic ann": "ann"}

        def replaced(proof: str) -> None:
            for watcher in serving.core.watchers:
                watcher(Forget())

        serving.core.identifying = replaced
        with await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443", proof="Basic ann"):
            assert len(serving.edge.connect_heads) == 0

    told(story, tmp_path)


def test_what_is_known_makes_no_connection_of_tornados(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for kind in (HTTP1Connection, HTTP1ServerConnection):
        before = kind.__init__

        def init(self: object, *given: object, _before: Callable[..., None] = before, **named: object) -> None:
            made.append(type(self).__name__)
            _before(self, *given, **named)

        monkeypatch.setattr(kind, "__init__", init)

    async def story(serving: Serving) -> None:
        serving.core.script = script

        def visit() -> list[bytes]:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                return [client.get("/v2/a/b/manifests/1").body for _ in range(3)]

        first = await asyncio.to_thread(visit)
        # The CONNECT, and the first of three requests.
        assert sorted(made) == ["HTTP1Connection", "HTTP1Connection", "HTTP1ServerConnection"]
        assert [await asyncio.to_thread(visit) for _ in range(3)] == [first] * 3
        assert len(made) == 3
        assert len(serving.core.asked) == 1

    told(story, tmp_path)


def test_what_is_known_is_answered_once_more_while_draining_and_that_ends_the_connection(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.script = script
        context = ssl.create_default_context(cafile=str(serving.ca_file))

        def ask() -> bytes:
            with context.wrap_socket(connect(serving.port, "quay.io:443"), server_hostname="quay.io") as stream:
                stream.settimeout(5)
                for _ in range(2):  # the first may still be on its way out when the proxy looks whether it drains
                    stream.sendall(PLAIN)
                    assert stream.recv(65536).startswith(b"HTTP/1.1 200 OK")
                serving.edge.draining = True
                stream.sendall(PLAIN)
                return received(stream)

        assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 200 OK")

    told(story, tmp_path)


def test_to_a_client_of_http_1_0_the_end_of_the_connection_is_that_of_the_answer_each_time(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.script = script
        old = PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0")
        answers = {await asyncio.to_thread(in_order, serving, [old]) for _ in range(3)}
        assert len(answers) == 1
        assert len(serving.core.asked) == 1, "it was answered from memory"

    told(story, tmp_path)
