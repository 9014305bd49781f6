"""One valid JSON object per line, whatever strangers put into it."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.model.event import (
    BreakerChanged,
    ConnectFinished,
    DigestMismatched,
    EntryStored,
    ExchangeFinished,
    HandshakeFailed,
    Labels,
    Outcome,
    PolicyReloaded,
    PolicyStarted,
    QuotaObserved,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
    UpstreamThrottled,
)
from regproxy.model.measure import ProcessMeasured
from regproxy.model.pull_event import PullFinished, PullSpent
from regproxy.model.stale import Stale
from regproxy.telemetry import request_line
from regproxy.telemetry.access_log import FIELD_LENGTH, MAX_LINE, SHORT_LENGTH, AccessLog
from regproxy.telemetry.fields import fields_of
from regproxy.telemetry.request_line import RequestLines

LABELS = Labels(Outcome.STALE, "hub", "manifest", "library/redis", "7.2", "release")


def test_a_request_is_one_line_with_the_fields_that_operators_script_against() -> None:
    out = io.StringIO()
    AccessLog(out).observe(ExchangeFinished("10.0.0.1", "registry-1.docker.io", "GET", 200, 7, 1.234, LABELS))
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "request",
        "client": "10.0.0.1",
        "authority": "registry-1.docker.io",
        "registry": "hub",
        "repository": "library/redis",
        "reference": "7.2",
        "kind": "manifest",
        "method": "GET",
        "status": 200,
        "bytes": 7,
        "milliseconds": 1.2,
        "outcome": "stale",
        "tier": "release",
        "complete": True,
    }


def test_a_stale_answer_and_a_traced_request_say_so() -> None:
    out = io.StringIO()
    labels = replace(LABELS, stale=Stale("rate_limited", 90.4))
    finished = ExchangeFinished("10.0.0.1", "a", "GET", 200, 7, 1.234, labels, trace="4bf92f3577b34da6a3ce929d0e0e4736")
    AccessLog(out).observe(finished)
    line = json.loads(out.getvalue())
    assert (line["stale"], line["stale_seconds"], line["trace_id"]) == ("rate_limited", 90, finished.trace)


def test_both_ways_to_write_a_request_say_the_same() -> None:
    for labels in (LABELS, replace(LABELS, stale=Stale("client", 1.0)), Labels(Outcome.MISS)):
        for trace in ("", "4bf92f3577b34da6a3ce929d0e0e4736"):
            event = ExchangeFinished("c", "a", "GET", 200, 7, 1.26, labels, False, trace=trace)
            fields = fields_of(event)
            assert json.loads(RequestLines(str).line("now", event)) == {"time": "now", **(fields or {})}


@given(st.text(max_size=2000))
def test_no_field_breaks_a_line_or_grows_without_bound(text: str) -> None:
    out = io.StringIO()
    log = AccessLog(out)
    labels = Labels(Outcome.MISS, text, text, text, text, text)
    log.observe(ExchangeFinished(text, text, text, 200, 1, 1.0, labels))
    log.observe(ConnectFinished(text, text, "refuse", 403, text))
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.isascii()
        assert all(len(value) <= FIELD_LENGTH for value in json.loads(line).values() if isinstance(value, str))


def test_what_has_no_line_writes_none_and_the_rest_write_one() -> None:
    out = io.StringIO()
    log = AccessLog(out)
    for silent in (
        EntryStored("blob", 1),
        UpstreamFinished("r", "blob", "GET", 200, 1, 1),
        QuotaObserved("r", "anonymous", 100, 41, 7.0),
        PullSpent("r", "anonymous"),
        ProcessMeasured("core", (), 0.0, 1),
        ConnectFinished("c", "a", "tunnel", 200),
    ):
        log.observe(silent)
    assert out.getvalue() == ""
    for told in (
        TunnelClosed("c", "a", 1, 2, 3),
        HandshakeFailed("c", "a", "other"),
        DigestMismatched("quay.io", "blob", "sha256:0"),
        StoreFailed("write", "full"),
        UpstreamFinished("r", "blob", "GET", 0, 1, 1, "dns"),
        UpstreamThrottled("r", "a", "abuse"),
        BreakerChanged("r", "a", is_open=True, cause="refused"),
        PullFinished("c", "a", "r", "library/redis", "7.2", "partial", 1, 2, 3, 4, 5.0),
    ):
        log.observe(told)
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == [
        "tunnel",
        "handshake",
        "mismatch",
        "store",
        "upstream",
        "throttled",
        "breaker",
        "pull",
    ]


def test_a_line_is_written_at_once_and_is_never_longer_than_a_pipe_takes_whole() -> None:
    class Writes(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    written: list[str] = []
    worst = '"' * 5000
    labels = Labels(Outcome.REVALIDATED, worst, worst, worst, worst, worst)
    AccessLog(Writes()).observe(ExchangeFinished(worst, worst, worst, 200, 1 << 60, 1e9, labels))
    (line,) = written
    assert len(line) <= MAX_LINE
    assert json.loads(line)["repository"] == '"' * SHORT_LENGTH


def test_lines_of_one_turn_leave_together_as_many_as_a_pipe_takes_whole() -> None:
    class Writes(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    written: list[str] = []
    turns: list[Callable[[], None]] = []
    log = AccessLog(Writes())
    log.gather(turns.append)
    finished = ExchangeFinished("c", "a", "GET", 200, 1, 1.0, LABELS)
    for _ in range(100):
        log.observe(finished)
    log.line({"event": "start"})
    for turn in turns:
        turn()
    lines = [json.loads(line) for text in written for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["request"] * 100 + ["start"]
    assert max(map(len, written)) <= MAX_LINE
    assert 1 < len(written) < 20


def test_values_that_are_ready_for_a_line_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_line, "MAX_KNOWN", 20)
    lines = request_line.RequestLines(str)
    for number in range(100):
        event = ExchangeFinished("c", f"host-{number}", "GET", 200, 1, 1.0, LABELS)
        assert json.loads(lines.line("now", event))["authority"] == f"host-{number}"
        assert len(lines) <= 20


def test_a_log_that_cannot_be_written_is_dropped_and_counted() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    log = AccessLog(Full())
    log.line({"event": "x"})
    assert log.dropped == 1


def test_a_reload_says_what_runs_now_and_what_was_found() -> None:
    out = io.StringIO()
    log = AccessLog(out)
    log.observe(PolicyStarted("a" * 64, 1.0, resumed=False))
    log.observe(PolicyReloaded("failure", "file", "a" * 64, ("hub",), (), 2.0, 12.34, ("error[RP101] p:1:1: x" * 50,)))
    log.observe(PolicyReloaded("success", "signal", "b" * 64, ("hub",), (), 3.0, 5.0, changes=("tier a: fresh 1h",)))
    started, failure, success = (json.loads(line) for line in out.getvalue().splitlines())
    assert (started["event"], started["checksum"], started["resumed"]) == ("policy", "a" * 64, False)
    assert (failure["event"], failure["result"], failure["checksum"]) == ("reload", "failure", "a" * 64)
    assert [len(sentence) for sentence in failure["findings"]] == [FIELD_LENGTH]
    assert "changes" not in failure
    assert (success["trigger"], success["changes"]) == ("signal", ["tier a: fresh 1h"])
