"""The seam over a channel: every answer arrives as it was given, and nobody takes a dead core's half for whole."""

import asyncio
import contextlib
import errno
import ipaddress
import math
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.answer import (
    Answer,
    Ask,
    Audience,
    BrokenBody,
    CoreAway,
    Filling,
    Forget,
    Reply,
    RequestBody,
    Stored,
    Streaming,
)
from regproxy.model.ca_event import CertificatesFetched
from regproxy.model.connect import ConnectDecision, Intercept, ProxyUser, Refuse, Tunnel
from regproxy.model.event import (
    BodyBegan,
    ConnectFinished,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    Labels,
    StoreFailed,
    TunnelClosed,
)
from regproxy.model.leaf import NotValidNow
from regproxy.model.measure import EdgeMeasured, ProcessEnded, ProcessMeasured, TurnedAway
from regproxy.model.message import Head
from regproxy.model.oci import Digest
from regproxy.model.stale import Stale
from regproxy.model.trace import Span
from regproxy.wire import remote
from regproxy.wire.channel import FrameError
from regproxy.wire.frames import MAX_INLINE, VERSION, Happened, Welcome
from regproxy.wire.plausible import plausible
from tests.wire.joined import LABELS, QUAY, WELCOME, Fill, Joined, Script, asked, descriptors, told, until

DIGEST = Digest("sha256", "a" * 64)
HEAD = Head(200, (("ETag", '"\xe9"'),), "Fine")


@pytest.mark.parametrize(
    "answer",
    [
        Stored(HEAD, DIGEST, 5, LABELS),
        Stored(HEAD, DIGEST, 1 << 40, LABELS, float("inf"), Audience.EVERYONE),
        Reply(HEAD, b"", LABELS),
        Reply(HEAD, b"x" * MAX_INLINE, LABELS, 17.5, Audience.CALLER),
        Reply(HEAD, os.urandom(4 << 20), LABELS, 1e9, Audience.EVERYONE),
    ],
)
def test_an_answer_arrives_as_it_was_given(answer: Answer) -> None:
    async def story(both: Joined) -> None:
        both.core.script = lambda _: answer
        assert await both.edge.answer(asked()) == answer
        assert both.core.asked == [asked()]

    told(story)


def test_the_place_of_an_exchange_in_a_trace_arrives_with_what_is_asked_and_with_what_happened() -> None:
    span = Span("a" * 32, "b" * 16, "c" * 16, 1.5)
    ask = replace(asked(), span=span)
    finished = ExchangeFinished("c", "a", "GET", 200, 5, 1.0, LABELS, trace=span.trace, span=span)

    async def story(both: Joined) -> None:
        await both.edge.answer(ask)
        assert both.core.asked == [ask]
        both.edge.report([finished])
        await until(lambda: both.core.events == [finished])

    told(story)


def test_a_head_too_large_for_a_frame_is_a_502() -> None:
    async def story(both: Joined) -> None:
        both.core.script = lambda _: Reply(Head(200, (("X", "y" * 300_000),)), b"", LABELS)
        answer = await both.edge.answer(asked())
        assert answer.head.status == 502

    told(story)


@pytest.mark.parametrize(
    "decision",
    [
        Intercept(QUAY, "quay", "https"),
        Tunnel((ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")), named=True),
        Tunnel((), named=False, parent=True, connect=2.5, idle=60.0),
        Refuse(403, "regproxy refused x: because"),
    ],
)
def test_a_connect_is_decided_once_for_each_client_until_the_policy_changes(decision: ConnectDecision) -> None:
    async def story(both: Joined) -> None:
        both.core.decision = decision
        asking = (("a", ""), ("a", ""), ("b", ""), ("a", "ann"), ("a", ""), ("a", "ann"))
        for client, user in asking:
            assert await both.edge.on_connect(QUAY, client, user) == decision
        assert both.core.connected == [(QUAY, "a", ""), (QUAY, "b", ""), (QUAY, "a", "ann")]
        both.core.watchers[0](Forget(QUAY, "a/b"))
        await until(lambda: both.forgotten[-1] == Forget(QUAY, "a/b"))
        await both.edge.on_connect(QUAY, "a", "")
        assert len(both.core.connected) == 3
        both.core.watchers[0](Forget())
        await until(lambda: both.forgotten[-1] == Forget())
        await both.edge.on_connect(QUAY, "a", "")
        assert len(both.core.connected) == 4

    told(story)


def test_a_socket_through_the_parent_proxy_comes_along_and_nothing_else_stays_open() -> None:
    async def story(both: Joined) -> None:
        before = descriptors()
        near, far = socket.socketpair()
        both.core.led = near.detach()
        found = await both.edge.through_parent(QUAY, "a", "ann")
        assert isinstance(found, int)
        with socket.socket(fileno=found) as led:
            led.sendall(b"through")
            assert far.recv(7) == b"through"
        assert far.recv(1) == b"", "nobody else holds it"
        far.close()
        assert both.core.connected == [(QUAY, "a", "ann")]
        both.core.led = Refuse(502, "regproxy cannot reach quay.io: because")
        assert await both.edge.through_parent(QUAY, "a", "") == both.core.led
        assert descriptors() == before

    told(story)


def test_who_a_client_is_is_asked_each_time_and_a_wrong_proof_is_refused() -> None:
    async def story(both: Joined) -> None:
        assert await both.edge.identify("a", "right") == ProxyUser("a")
        assert await both.edge.identify("a", "wrong") == Refuse(407, "regproxy: wrong")

    told(story)


def test_another_welcome_reaches_edges_that_are_there_and_those_that_come() -> None:
    async def story(both: Joined) -> None:
        both.server.renew(Welcome(VERSION, "/cache", b"other pem", "CC:DD", WELCOME.listeners, ""))
        await until(lambda: both.edge.welcomed().ca_fingerprint == "CC:DD")
        assert both.forgotten[-1] == Forget(), "its leaves are asked for anew"
        for each in tuple(both.server._edges):
            each.channel.close()
        await until(lambda: both.server.edges == 0)
        await until(lambda: both.server.edges == 1)
        await both.edge.leaf("quay.io")
        assert both.edge.welcomed().ca_fingerprint == "CC:DD"

    told(story)


def test_what_happened_to_a_client_is_told_with_what_was_not_yet_reported() -> None:
    async def story(both: Joined) -> None:
        both.edge.report([ConnectFinished("10.0.0.1", "quay.io", "refuse", 403, "why")])
        (found,) = await both.edge.sightings("10.0.0.1")
        assert (found.detail, found.count) == ("10.0.0.1", 1)

    told(story)


def test_a_leaf_comes_whole_and_a_refused_one_says_why() -> None:
    async def story(both: Joined) -> None:
        assert await both.edge.leaf("quay.io") == await both.core.leaf("quay.io")
        with pytest.raises(ValueError, match=r"no leaf for bank\.example"):
            await both.edge.leaf("bank.example")
        with pytest.raises(NotValidNow, match="the CA ended"):
            await both.edge.leaf("late.example")

    told(story)


def test_events_reach_the_core_within_a_moment_also_when_it_was_away() -> None:
    exchange = ExchangeFinished("c", "quay.io", "GET", 200, 5, 1.5, LABELS)
    events: list[Event] = [
        StoreFailed("read", "input/output error"),
        BodyBegan("c", "quay.io", LABELS),
        ConnectFinished("c", "quay.io", "intercept", 200),
        exchange,
        TunnelClosed("c", "x", 1, 2, 3.0),
        HandshakeFailed("c", "x", "unknown_ca"),
        CertificatesFetched("c"),
    ]

    async def story(both: Joined) -> None:
        both.edge.report(events)
        await until(lambda: both.core.events == events)
        both.die()
        both.edge.report([exchange] * 100)
        both.restart()
        await until(lambda: both.core.events[len(events) :] == [ProcessEnded("edge-1"), *[exchange] * 100])

    told(story)


def test_what_an_edge_says_of_itself_bears_the_name_that_the_core_gave_it() -> None:
    process, edge = ProcessMeasured("core", (0.1,), 0.2, 3), EdgeMeasured("", 1, 2, 3, 4, TurnedAway(5, 6, 7, "c"), 8)

    async def story(both: Joined) -> None:
        both.edge.report([process, edge])
        named = [replace(process, process="edge-1"), replace(edge, process="edge-1")]
        await until(lambda: both.core.events == named)

    told(story)


def _stale(seconds: float) -> Labels:
    return replace(LABELS, stale=Stale("rate_limited", seconds))


@pytest.mark.parametrize(
    "frame",
    [
        Happened(processes=(ProcessMeasured("", (math.inf,), 0.0, 0),)),
        Happened(processes=(ProcessMeasured("", (), -1.0, 0),)),
        Happened(edges=(EdgeMeasured("", 0, 0, 0, -1),)),
        Happened(edges=(EdgeMeasured("", 0, 0, 0, 0, waits=-1),)),
        Happened(edges=(EdgeMeasured("", 0, 0, 0, 0, TurnedAway(idle=-1)),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 200, 5, math.nan, LABELS),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 200, 5, 1.0, LABELS, trace='"}'),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 200, 5, 1.0, LABELS, first_byte=-1.0),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 600, 5, 1.0, LABELS),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 200, -5, 1.0, LABELS),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 200, 5, math.inf, LABELS),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 200, 5, 1.0, _stale(math.inf)),)),
        Happened(exchanges=(ExchangeFinished("c", "a", "GET", 200, 5, 1.0, _stale(-1.0)),)),
        Happened(connects=(ConnectFinished("c", "a", "refuse", 600),)),
        Happened(tunnels=(TunnelClosed("c", "a", -1, 0, 1.0),)),
        Happened(tunnels=(TunnelClosed("c", "a", 0, -1, 1.0),)),
        Happened(tunnels=(TunnelClosed("c", "a", 0, 0, math.nan),)),
    ],
)
def test_what_cannot_have_been_is_not_counted(frame: Happened) -> None:
    with pytest.raises(FrameError, match="cannot"):
        plausible(frame, "edge-1")


def filling(directory: Path, fill: Fill, data: bytes = b"0123456789") -> Filling:
    path = directory / "part"
    path.write_bytes(data)
    return Filling(HEAD, len(data), os.open(path, os.O_RDONLY), fill, LABELS)


def test_many_follow_one_fill_each_leaves_once_and_its_descriptor_travels(tmp_path: Path) -> None:
    async def story(both: Joined) -> None:
        fill = Fill()
        both.core.script = lambda _: filling(tmp_path, fill)
        answers = [await both.edge.answer(asked()) for _ in range(3)]
        waiting = []
        for answer in answers:
            assert isinstance(answer, Filling)
            waiting.append(asyncio.ensure_future(answer.progress.beyond(0)))
        fill.set(4)
        assert await asyncio.gather(*waiting) == [4, 4, 4]
        fill.set(10, whole=True)
        for answer in answers:
            assert isinstance(answer, Filling)
            assert await answer.progress.beyond(4) == 10
            assert await answer.progress.beyond(10) == 10
            assert os.pread(answer.fd, 20, 0) == b"0123456789"
            answer.progress.leave()
            os.close(answer.fd)
        await until(lambda: fill.left == 3)
        late = await both.edge.answer(asked())
        assert isinstance(late, Filling)
        assert await late.progress.beyond(0) == 10
        late.progress.leave()
        os.close(late.fd)
        await until(lambda: fill.left == 4)

    told(story)


@pytest.mark.parametrize("dies", [False, True])
def test_a_fill_that_breaks_or_loses_its_core_is_broken_for_all(dies: bool, tmp_path: Path) -> None:
    async def story(both: Joined) -> None:
        fill = Fill()
        both.core.script = lambda _: filling(tmp_path, fill)
        answer = await both.edge.answer(asked())
        assert isinstance(answer, Filling)
        fill.set(4)
        assert await answer.progress.beyond(0) == 4
        waiting = asyncio.ensure_future(answer.progress.beyond(4))
        await asyncio.sleep(0)
        if dies:
            both.die()
        else:
            fill.set(4, broken="wrong bytes")
        with pytest.raises(BrokenBody, match="ended" if dies else "wrong bytes"):
            await waiting
        answer.progress.leave()
        os.close(answer.fd)
        await until(lambda: fill.left == 1)

    told(story)


class Ended:
    """An ending that a story decides."""

    def __init__(self) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        await asyncio.shield(self.future)


@pytest.mark.parametrize("how", ["whole", "broken", "fails", "dies"])
def test_a_stream_says_how_it_ended(how: str) -> None:
    async def story(both: Joined) -> None:
        ours, theirs = socket.socketpair()
        ending = Ended()
        both.core.script = lambda _: Streaming(HEAD, theirs.detach(), ending, LABELS)
        answer = await both.edge.answer(asked())
        assert isinstance(answer, Streaming)
        with ours, socket.socket(fileno=answer.fd) as body:
            ours.sendall(b"bytes")
            assert body.recv(10) == b"bytes"
        match how:
            case "whole":
                ending.future.set_result(None)
            case "broken":
                ending.future.set_exception(BrokenBody("cut"))
            case "fails":
                ending.future.set_exception(RuntimeError("a mistake"))
            case _:
                both.die()
        with contextlib.nullcontext() if how == "whole" else pytest.raises(BrokenBody):
            await asyncio.wait_for(answer.ending.wait(), 5)

    told(story)


def test_a_request_body_travels_as_a_socket() -> None:
    async def story(both: Joined) -> None:
        async def script(ask: Ask) -> Answer:
            assert ask.body is not None
            with socket.socket(fileno=ask.body.fd) as body:
                body.setblocking(False)
                data = await asyncio.get_running_loop().sock_recv(body, 100)
            return Reply(HEAD, data + str(ask.body.size).encode(), LABELS)

        both.core.script = script
        ours, theirs = socket.socketpair()
        with ours:
            ours.sendall(b"body ")
            ask = Ask(QUAY, "https", "POST", "/x", (), "c", RequestBody(theirs.detach(), 5))
            answer = await both.edge.answer(ask)
        assert isinstance(answer, Reply)
        assert answer.body == b"body 5"

    told(story)


def test_who_no_longer_waits_cancels_the_ask_and_a_late_answer_is_let_go(tmp_path: Path) -> None:
    async def story(both: Joined) -> None:
        fill, cancelled, begun = Fill(), asyncio.Event(), asyncio.Event()

        async def script(_: Ask) -> Answer:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            raise AssertionError

        both.core.script = script
        waiting = asyncio.ensure_future(both.edge.answer(asked()))
        await begun.wait()
        waiting.cancel()
        await asyncio.wait_for(cancelled.wait(), 5)

        before = descriptors()
        both.core.script = lambda _: filling(tmp_path, fill)
        for turns in range(8):
            waiting = asyncio.ensure_future(both.edge.answer(asked()))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            (found,) = await asyncio.gather(waiting, return_exceptions=True)
            if isinstance(found, Filling):
                found.progress.leave()
                os.close(found.fd)
        await until(lambda: fill.left == len(both.core.asked) - 1)
        await until(lambda: descriptors() == before)

    told(story)


def test_asks_outlive_a_core_that_dies_but_not_one_that_they_kill_twice() -> None:
    async def story(both: Joined) -> None:
        async def script(_: Ask) -> Answer:
            if len(both.core.asked) <= deaths:
                both.die()
                both.restart()
                await asyncio.sleep(60)
            return Reply(HEAD, b"hello", LABELS)

        both.core.script = script
        deaths = 1
        assert (await both.edge.answer(asked())).head == HEAD
        both.core.asked.clear()
        deaths = 9
        with pytest.raises(CoreAway, match="while it answered"):
            await both.edge.answer(asked())
        assert len(both.core.asked) == 2

    told(story)


def test_without_a_core_asks_wait_and_then_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.2)

    async def story(both: Joined) -> None:
        both.die()
        edge = both.edge
        connecting = edge.on_connect(QUAY, "c", "")
        for asking in (edge.answer(asked()), edge.leaf("quay.io"), connecting, edge.identify("c", "right")):
            with pytest.raises(CoreAway, match="started again"):
                await asking
        both.restart()
        assert (await both.edge.answer(asked())).head.status == 200

    told(story)


def test_every_connection_begins_with_forgetting_everything() -> None:
    async def story(both: Joined) -> None:
        assert both.forgotten == [Forget()]
        both.die()
        both.restart()
        await until(lambda: len(both.forgotten) == 2)
        assert both.forgotten[-1] == Forget()
        both.core.watchers[-1](Forget(Authority("::1", 5000), "a/b"))
        await until(lambda: both.forgotten[-1] == Forget(Authority("::1", 5000), "a/b"))

    told(story)


@pytest.mark.parametrize("failing", ["on_connect", "leaf"])
def test_whoever_waits_for_what_fails_inside_the_core_hears_of_it(
    failing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Script, failing, fail)

    async def story(both: Joined) -> None:
        asking = both.edge.leaf("quay.io") if failing == "leaf" else both.edge.on_connect(QUAY, "10.0.0.1", "")
        with pytest.raises(CoreAway):
            await asyncio.wait_for(asking, 5)

    told(story)
    assert "a mistake" in caplog.text


@pytest.mark.parametrize("large", [False, True])
def test_an_answer_that_cannot_be_handed_over_is_a_500(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", fail)

    async def story(both: Joined) -> None:
        both.core.script = lambda _: Reply(Head(200), b"x" * (MAX_INLINE + large), LABELS)
        answer = await asyncio.wait_for(both.edge.answer(asked()), 5)
        assert answer.head.status == (500 if large else 200)

    told(story)


def test_an_answer_that_fails_inside_the_core_is_a_500_and_told(caplog: pytest.LogCaptureFixture) -> None:
    async def story(both: Joined) -> None:
        def script(_: Ask) -> Answer:
            raise RuntimeError("a mistake")

        both.core.script = script
        assert (await both.edge.answer(asked())).head.status == 500

    told(story)
    assert "a mistake" in caplog.text
