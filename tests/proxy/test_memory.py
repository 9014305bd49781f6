"""What an edge may say twice: to whom, for how long, and until it is told to forget."""

import asyncio
import hashlib
import socket
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Audience, Forget, Reply, Stored
from regproxy.model.event import ExchangeFinished, Labels, Outcome
from regproxy.model.message import Head
from regproxy.model.oci import Digest
from regproxy.proxy import memory as module
from regproxy.proxy.memory import MAX_HEADS, MAX_SECONDS, Memory, place

from tests.lab.client import Client, Reply as Seen, connect  # isort: skip
from tests.proxy.serving import Serving, told

QUAY = Authority("quay.io", 443)
OTHER = Authority("ghcr.io", 443)
LABELS = Labels(Outcome.REVALIDATED, "quay", "manifest", "a/b", "1.0.0", "release")
HEAD = Head(200, (("Content-Type", "x/y"), ("ETag", '"e"'), ("Age", "5")))
PLACE = place(QUAY, QUAY, "quay.io")
FOREVER = float("inf")


@dataclass(slots=True)
class Time:
    """Both clocks, moved by hand."""

    wall: float = 1_000_000.0
    passed: float = 50.0

    def move(self, seconds: float) -> None:
        self.wall += seconds
        self.passed += seconds


@dataclass(slots=True)
class Kept:
    """A memory and its time."""

    time: Time = field(default_factory=Time)
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        self.memory = Memory(lambda: self.time.wall, lambda: self.time.passed)

    def keep(
        self, ask: Ask, until: float = FOREVER, audience: Audience = Audience.EVERYONE, body: bytes = b"m"
    ) -> None:
        self.memory.keep(ask, Reply(HEAD, body, LABELS, until, audience), self.memory.forgets)


def ask(target: str = "/v2/a/b/manifests/1.0.0", **changes: object) -> Ask:
    """A GET; fields by name."""
    given = {"authority": QUAY, "method": "GET", "client": "10.0.0.1"} | changes
    names = ("accept", "authorization", "range", "if_none_match", "connection")
    fields = tuple((name.replace("_", "-"), str(given.pop(name))) for name in names if name in given)
    return Ask(scheme="https", target=target, fields=fields, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "audience", "known"),
    [
        (ask(), Audience.EVERYONE, True),
        (ask(client="10.0.0.2"), Audience.EVERYONE, True),
        (ask(client="10.0.0.2"), Audience.CALLER, False),
        (ask(), Audience.CALLER, True),
        (ask(authorization="Basic YTpi"), Audience.EVERYONE, False),
        (ask(accept="x/y"), Audience.EVERYONE, False),
        (ask(authority=OTHER), Audience.EVERYONE, False),
        (ask(method="HEAD"), Audience.EVERYONE, False),
        (ask(method="POST"), Audience.EVERYONE, False),
        (ask("/v2/a/b/manifests/1.0.1"), Audience.EVERYONE, False),
        (ask(range="bytes=0-0"), Audience.EVERYONE, True),
    ],
)
def test_an_answer_is_for_whom_and_what_it_was_given(other: Ask, audience: Audience, known: bool) -> None:
    kept = Kept()
    kept.keep(ask(), audience=audience)
    assert (kept.memory.find(other) is not None) is known


@pytest.mark.parametrize(
    ("until", "lasts"),
    [(0.0, 0.0), (999_999.0, 0.0), (1_000_030.0, 30.0), (1_000_000.0 + 7 * 86400, MAX_SECONDS), (FOREVER, MAX_SECONDS)],
)
def test_an_answer_lasts_as_long_as_the_core_said_and_never_for_ever(until: float, lasts: float) -> None:
    kept = Kept()
    kept.keep(ask(), until)
    assert len(kept.memory) == (1 if lasts else 0)
    kept.time.move(lasts - 0.5)
    assert (kept.memory.find(ask()) is not None) is bool(lasts)
    kept.time.move(0.5)
    assert kept.memory.find(ask()) is None
    assert len(kept.memory) == 0


def test_a_repeated_answer_has_grown_older_and_is_a_hit() -> None:
    kept = Kept()
    kept.keep(ask())
    kept.time.move(7.4)
    found = kept.memory.find(ask())
    assert found is not None
    assert found.head.get("age") == "12"
    assert found.labels == replace(LABELS, outcome=Outcome.HIT)


@pytest.mark.parametrize(
    ("forget", "left"),
    [(Forget(), 0), (Forget(QUAY, "a/b"), 1), (Forget(QUAY, "a/c"), 2), (Forget(OTHER, "a/b"), 1)],
)
def test_what_the_core_says_to_forget_is_forgotten(forget: Forget, left: int) -> None:
    kept = Kept()
    for authority in (QUAY, OTHER):
        one = ask(authority=authority)
        kept.keep(one)
        kept.memory.learn(place(authority, authority, None), b"GET", one)
    kept.memory.forget(forget)
    assert len(kept.memory) == left
    recalled = [kept.memory.recall(place(authority, authority, None), b"GET") for authority in (QUAY, OTHER)]
    assert sum(found is not None for found in recalled) == left


def test_an_answer_that_was_overtaken_by_a_forget_is_not_kept() -> None:
    kept = Kept()
    before = kept.memory.forgets
    kept.memory.forget(Forget(OTHER, "x"))
    kept.memory.keep(ask(), Reply(HEAD, b"m", LABELS, FOREVER, Audience.EVERYONE), before)
    assert kept.memory.find(ask()) is None


def test_the_memory_is_bounded_by_answers_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWERS", 10)
    monkeypatch.setattr(module, "MAX_BYTES", 5000)
    kept = Kept()
    for number in range(30):
        kept.keep(ask(f"/v2/{number}"))
        assert kept.memory.find(ask("/v2/0")) is not None, "what is used stays"
    assert len(kept.memory) == 10
    for number in range(30):
        kept.keep(ask(f"/v2/{number}"), body=b"x" * 900)
    assert len(kept.memory) == 5
    kept.keep(ask("/v2/large"), body=b"x" * (module.MAX_BODY + 1))
    assert kept.memory.find(ask("/v2/large")) is None


@pytest.mark.parametrize(
    ("request_", "audience", "answer", "learned"),
    [
        (ask(), Audience.EVERYONE, Reply(HEAD, b"m", LABELS, FOREVER), True),
        (ask(connection="keep-alive"), Audience.EVERYONE, Reply(HEAD, b"m", LABELS, FOREVER), True),
        (ask(method="HEAD"), Audience.EVERYONE, Reply(HEAD, b"", LABELS, FOREVER), True),
        (ask(), Audience.CALLER, Reply(HEAD, b"m", LABELS, FOREVER), False),
        (ask(connection="close"), Audience.EVERYONE, Reply(HEAD, b"m", LABELS, FOREVER), False),
        (ask(range="bytes=0-0"), Audience.EVERYONE, Reply(HEAD, b"m", LABELS, FOREVER), False),
        (ask(if_none_match='"e"'), Audience.EVERYONE, Reply(HEAD, b"m", LABELS, FOREVER), False),
        (ask(), Audience.EVERYONE, Reply(Head(404), b"m", LABELS, FOREVER), False),
        (ask(), Audience.EVERYONE, Stored(HEAD, Digest("sha256", "a" * 64), 9, LABELS, FOREVER), False),
    ],
)
def test_only_plain_requests_for_everyone_are_answered_unparsed(
    request_: Ask, audience: Audience, answer: Reply | Stored, learned: bool
) -> None:
    kept = Kept()
    kept.memory.keep(request_, replace(answer, audience=audience), kept.memory.forgets)
    kept.memory.learn(PLACE, b"these bytes", request_)
    assert (kept.memory.recall(PLACE, b"these bytes") is not None) is learned
    assert kept.memory.recall(PLACE, b"those bytes") is None
    assert kept.memory.recall(place(OTHER, QUAY, "quay.io"), b"these bytes") is None
    assert kept.memory.recall(place(QUAY, QUAY, None), b"these bytes") is None
    kept.time.move(MAX_SECONDS)
    assert kept.memory.recall(PLACE, b"these bytes") is None


def test_an_answer_has_so_many_spellings_and_each_is_one_however_many_ask_at_once() -> None:
    kept = Kept()
    kept.keep(ask())
    spellings = [b"head %d" % number for number in range(MAX_HEADS + 1)]
    for head in spellings:
        for _ in range(MAX_HEADS):
            kept.memory.learn(PLACE, head, ask())
    known = [kept.memory.recall(PLACE, head) is not None for head in spellings]
    assert known == [*[True] * MAX_HEADS, False]


def test_an_answer_in_bytes_is_whole_but_for_its_date_and_age() -> None:
    kept = Kept()
    kept.keep(ask(), body=b"body")
    kept.memory.learn(PLACE, b"head", ask())
    kept.time.move(3)
    found = kept.memory.recall(PLACE, b"head")
    assert found is not None
    head, _, body = found[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert body == b"body"
    assert lines[0] == "HTTP/1.1 200 OK"
    assert {"Content-Type: x/y", "Content-Length: 4", "Age: 8", "Via: 1.1 regproxy"} <= set(lines)
    assert "Cache-Status: regproxy; hit" in lines
    assert "Date: Mon, 12 Jan 1970 13:46:43 GMT" in lines
    assert len(lines) == len({line.partition(":")[0] for line in lines})


# Through a real edge.

BODY = b'{"schemaVersion":2}'
DIGEST = Digest("sha256", hashlib.sha256(BODY).hexdigest())


def store(serving: Serving, outcome: Outcome = Outcome.HIT) -> None:
    """The core answers with stored content that everyone may have."""
    path = serving.edge.content_directory / "blobs" / "sha256" / DIGEST.encoded[:2]
    path.mkdir(parents=True, exist_ok=True)
    (path / DIGEST.encoded).write_bytes(BODY)
    labels = replace(LABELS, outcome=outcome)

    def script(asked: Ask) -> Answer:
        if asked.method == "HEAD":
            length = (*HEAD.fields, ("Content-Length", str(len(BODY))))
            return Reply(replace(HEAD, fields=length), b"", labels, FOREVER, Audience.EVERYONE)
        return Stored(HEAD, DIGEST, len(BODY), labels, FOREVER, Audience.EVERYONE)

    serving.core.script = script


def seen(serving: Serving, times: int, method: str = "GET", **fields: str) -> list[Seen]:
    with Client(serving.port, serving.ca_file, "quay.io:443") as client:
        return [client.request(method, "/v2/a/b/manifests/1.0.0", fields) for _ in range(times)]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_warm_manifest_asks_the_core_once_and_every_answer_is_the_same_and_logged(
    method: str, tmp_path: Path
) -> None:
    async def story(serving: Serving) -> None:
        store(serving)
        replies = [
            *await asyncio.to_thread(seen, serving, 5, method),
            *await asyncio.to_thread(seen, serving, 5, method),
        ]
        assert len(serving.core.asked) == 1
        for reply in replies:
            assert (reply.status, reply.body) == (200, BODY if method == "GET" else b"")
            changing = {"date", "age"}
            assert {n: v for n, v in reply.fields.items() if n not in changing} == {
                n: v for n, v in replies[0].fields.items() if n not in changing
            }
            assert reply.fields["content-length"] == str(len(BODY))
        events = [event for event in serving.core.events if isinstance(event, ExchangeFinished)]
        assert len(events) == 10
        assert {(e.status, e.bytes, e.method, e.client, e.complete) for e in events} == {
            (200, len(replies[0].body), method, "127.0.0.1", True)
        }

    told(story, tmp_path)


def test_ranges_and_conditions_are_honoured_from_memory(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        store(serving)
        await asyncio.to_thread(seen, serving, 2)
        (part,) = await asyncio.to_thread(lambda: seen(serving, 1, Range="bytes=2-5"))
        assert (part.status, part.body) == (206, BODY[2:6])
        (same,) = await asyncio.to_thread(lambda: seen(serving, 1, **{"If-None-Match": '"e"'}))
        assert (same.status, same.body) == (304, b"")
        assert len(serving.core.asked) == 1

    told(story, tmp_path)


def test_after_a_forget_the_core_is_asked_again_also_on_the_same_connection(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        store(serving)

        def run() -> None:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                for number in range(9):
                    assert client.get("/v2/a/b/manifests/1.0.0").body == BODY
                    if number % 3 == 2:
                        loop.call_soon_threadsafe(serving.core.watchers[0], Forget(QUAY, "a/b"))

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(run)
        assert len(serving.core.asked) == 3

    told(story, tmp_path)


def test_content_that_was_evicted_is_asked_for_again(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        large = b"x" * 100_000
        digest = Digest("sha256", hashlib.sha256(large).hexdigest())
        path = serving.edge.content_directory / "blobs" / "sha256" / digest.encoded[:2] / digest.encoded
        path.parent.mkdir(parents=True)
        path.write_bytes(large)
        serving.core.script = lambda _: Stored(HEAD, digest, len(large), LABELS, FOREVER, Audience.EVERYONE)
        await asyncio.to_thread(seen, serving, 3)
        assert len(serving.core.asked) == 1
        path.unlink()
        serving.core.script = lambda _: Reply(HEAD, b"fetched", LABELS)
        (reply,) = await asyncio.to_thread(seen, serving, 1)
        assert reply.body == b"fetched"
        assert len(serving.core.asked) == 2

    told(story, tmp_path)


def test_pipelined_requests_and_split_ones_are_answered_in_order(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        store(serving)
        request = b"GET /v2/a/b/manifests/1.0.0 HTTP/1.1\r\nHost: quay.io\r\n\r\n"
        last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

        def run() -> bytes:
            context = ssl.create_default_context(cafile=str(serving.ca_file))
            with context.wrap_socket(connect(serving.port, "quay.io:443"), server_hostname="quay.io") as stream:
                answers = b""
                for sent in (request, request, request[:20], request[20:] + request, request * 50 + last):
                    stream.sendall(sent)
                stream.settimeout(10)
                while chunk := stream.recv(65536):
                    answers += chunk
                return answers

        answers = await asyncio.to_thread(run)
        assert answers.count(b"HTTP/1.1 200 OK\r\n") == answers.count(BODY) == 55

    told(story, tmp_path)


def test_a_client_that_takes_nothing_is_not_answered_for_ever(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        store(serving)
        request = b"GET /v2/a/b/manifests/1.0.0 HTTP/1.1\r\nHost: quay.io\r\n\r\n"

        def run() -> int:
            context = ssl.create_default_context(cafile=str(serving.ca_file))
            raw = connect(serving.port, "quay.io:443")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with context.wrap_socket(raw, server_hostname="quay.io") as stream:
                stream.settimeout(0.5)
                sent = 0
                try:
                    for _ in range(200_000):
                        stream.sendall(request)
                        sent += 1
                except TimeoutError:
                    pass
                return sent

        sent = await asyncio.to_thread(run)
        assert sent < 200_000, "the flood is not read while its answers are not taken"

    told(story, tmp_path)


def test_one_client_that_asks_without_end_leaves_turns_to_the_others(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        store(serving)
        done = asyncio.Event()

        def flood() -> int:
            with Client(serving.port, serving.ca_file, "quay.io:443") as client:
                count = 0
                while not done.is_set():
                    client.get("/v2/a/b/manifests/1.0.0")
                    count += 1
                return count

        def turns() -> list[int]:
            return [len(seen(serving, 5)) for _ in range(5)]

        flooding = [asyncio.create_task(asyncio.to_thread(flood)) for _ in range(2)]
        assert await asyncio.wait_for(asyncio.to_thread(turns), 20) == [5] * 5
        done.set()
        assert all(count > 5 for count in await asyncio.gather(*flooding))

    told(story, tmp_path)
