"""The log for people, and the log as the seed wrote it."""

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.model.event import Event, ExchangeFinished, Labels, Outcome, PolicyReloaded, StoreFailed
from regproxy.model.pull_event import PullFinished
from regproxy.telemetry.access_log import MAX_LINE, AccessLog
from regproxy.telemetry.formats import LogFormat, human, log_form

LABELS = Labels(Outcome.STALE, "hub", "manifest", "library/redis", "7.2", "manifest-primary")
DIGEST = "sha256:" + "a" * 64
# The fields of `tweaked`, in their order, as nginx.conf of rpardini/docker-registry-proxy has them.
SEED = (
    "access_time upstream_cache_status method uri request_type status bytes_sent upstream_response_time host "
    "proxy_host upstream"
).split()


def written(event: Event, form: LogFormat) -> str:
    out = io.StringIO()
    AccessLog(out, form).observe(event)
    return out.getvalue()


def request(labels: Labels = LABELS, **more: object) -> ExchangeFinished:
    event = ExchangeFinished("10.0.0.1", "registry-1.docker.io", "GET", 200, 2048, 1.26, labels)
    return replace(event, **more)  # type: ignore[arg-type]


def test_the_seeds_fields_come_first_in_its_order_and_are_strings_as_there() -> None:
    line = json.loads(written(request(), "seed"))
    assert list(line)[: len(SEED)] == SEED
    assert all(isinstance(line[name], str) for name in SEED)
    time = line.pop("access_time")
    assert time.endswith(" +0000")
    assert {name: line[name] for name in SEED[1:]} == {
        "upstream_cache_status": "STALE",
        "method": "GET",
        "uri": "/v2/library/redis/manifests/7.2",
        "request_type": "manifest-primary",
        "status": "200",
        "bytes_sent": "2048",
        "upstream_response_time": "",
        "host": "registry-1.docker.io",
        "proxy_host": "registry-1.docker.io",
        "upstream": "",
    }
    assert (line["client"], line["outcome"], line["bytes"]) == ("10.0.0.1", "stale", 2048)


@pytest.mark.parametrize(
    ("labels", "uri", "status", "seconds"),
    [
        (Labels(Outcome.MISS, "hub", "blob", "a/b", DIGEST), f"/v2/a/b/blobs/{DIGEST}", "MISS", "0.001"),
        (Labels(Outcome.HIT, "hub", "tags", "a/b"), "/v2/a/b/tags/list", "HIT", ""),
        (Labels(Outcome.REVALIDATED, "hub", "manifest", "a/b", "1"), "/v2/a/b/manifests/1", "REVALIDATED", "0.001"),
        (Labels(Outcome.SWR, "hub", "referrers", "a/b", DIGEST), f"/v2/a/b/referrers/{DIGEST}", "UPDATING", ""),
        (Labels(Outcome.PASS, "hub", "other"), "", "BYPASS", "0.001"),
        (Labels(Outcome.LOCAL, "hub", "ping"), "/v2/", "HIT", ""),
    ],
)
def test_paths_and_words_are_those_of_the_seed(labels: Labels, uri: str, status: str, seconds: str) -> None:
    line = json.loads(written(request(labels), "seed"))
    assert (line["uri"], line["upstream_cache_status"], line["upstream_response_time"]) == (uri, status, seconds)
    assert line["request_type"] == "unknown"


def test_what_is_no_request_is_written_as_ever_where_the_seed_reads() -> None:
    line = json.loads(written(StoreFailed("write", "no space"), "seed"))
    assert (line["event"], line["error"]) == ("store", "no space")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (request(), "stale       200 GET  registry-1.docker.io library/redis:7.2 2.0 KiB in 1.3 ms to 10.0.0.1"),
        (
            request(replace(LABELS, reference=DIGEST), complete=False),
            "stale       200 GET  registry-1.docker.io "
            f"library/redis@{DIGEST} 2.0 KiB in 1.3 ms to 10.0.0.1, not whole",
        ),
        (
            request(Labels(Outcome.PASS, "hub", "other"), bytes=3 << 30),
            "pass        200 GET  registry-1.docker.io other 3.0 GiB in 1.3 ms to 10.0.0.1",
        ),
        (
            PullFinished("10.0.0.1", "quay.io", "quay", "a/b", "v1", "partial", 10, 5 << 20, 1, 4, 812.0),
            "pull        partial: quay.io a/b:v1, 10 B from the cache, 5.0 MiB fetched, 1 pulls spent, "
            "in 812 ms to 10.0.0.1",
        ),
        (StoreFailed("write", "no\x1b[31m space"), "store       operation=write error=no?[31m space"),
        (
            PolicyReloaded("failure", "file", "c", (), (), 0.0, 1.0, ("one", "two")),
            "reload      result=failure trigger=file checksum=c milliseconds=1.0 findings=one; two",
        ),
    ],
)
def test_people_read_a_line_for_each_event(event: Event, line: str) -> None:
    time, _, said = written(event, "human").partition(" ")
    assert time.endswith("Z")
    assert said == line + "\n"


def test_a_message_is_a_sentence() -> None:
    assert human("now", {"event": "start", "message": "here we are"}) == "now start       here we are\n"


@given(st.text(max_size=2000), st.sampled_from(["human", "seed"]))
def test_nobody_writes_a_second_line_or_drives_a_terminal(text: str, form: LogFormat) -> None:
    labels = Labels(Outcome.MISS, text, text, text, text, text)
    line = written(ExchangeFinished(text, text, text, 200, 1, 1.0, labels), form)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert line.isascii()
    assert len(line) <= MAX_LINE
    if form == "seed":
        assert json.loads(line)["status"] == "200"


@pytest.mark.parametrize(
    ("asked", "terminal", "form"),
    [("auto", True, "human"), ("auto", False, "json"), ("seed", True, "seed"), ("json", True, "json")],
)
def test_people_read_along_at_a_terminal(asked: str, terminal: bool, form: str) -> None:
    assert log_form(asked, terminal=terminal) == form


def test_another_format_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="auto, json, human, seed"):
        log_form("xml", terminal=False)
