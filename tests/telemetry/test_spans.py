"""Exchanges as spans at a collector: where they belong, what they say, and that nothing waits for them."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from secrets import token_hex
from typing import Any

import pytest

from regproxy.model.event import Event, ExchangeFinished, Labels, Outcome, UpstreamFinished
from regproxy.model.trace import Span
from regproxy.telemetry import spans as room
from regproxy.telemetry.spans import MAX_CLOSING_SECONDS, MAX_SPANS, Spans
from tests.lab.collector import attributes, collecting

TRACE, PARENT, OURS = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "53995c3f42cd8ad8"
LABELS = Labels(Outcome.MISS, "quay", "manifest", "team/secret-app", "v1", "tags")
SPAN = Span(TRACE, OURS, PARENT, 1_700_000_000.5)
SERVER, CLIENT, ERROR = 2, 3, 2  # opentelemetry.proto.trace.v1


def exchange(status: int = 200, *, span: Span | None = SPAN, complete: bool = True) -> ExchangeFinished:
    return ExchangeFinished("10.0.0.1", "quay.io", "GET", status, 7, 1500.0, LABELS, complete, user="ann", span=span)


def told(endpoint: str, story: Callable[[Spans, list[str]], Coroutine[Any, Any, None]]) -> list[str]:
    """Tell a story of spans to this collector; what was warned of."""
    said: list[str] = []

    async def telling() -> None:
        spans = Spans(endpoint, "1.2", time.time, token_hex, said.append)
        try:
            await story(spans, said)
        finally:
            await spans.close()

    asyncio.run(telling())
    return said


def seen(*events: Event) -> list[Any]:
    """The spans of these events, as a collector sees them."""

    async def story(spans: Spans, _: list[str]) -> None:
        for event in events:
            spans.observe(event)

    with collecting() as collector:
        assert told(collector.url + "/", story) == []
        if collector.bodies:
            assert set(collector.paths) == {"/v1/traces"}
            assert collector.resources()[0].items() >= {"service.name": "regproxy", "service.version": "1.2"}.items()
            for word in (b"10.0.0.1", b"ann", b"secret-app"):
                assert all(word not in body for body in collector.bodies)
        return collector.spans()


def test_an_exchange_is_a_span_in_the_trace_of_its_client() -> None:
    (span,) = seen(exchange())
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (TRACE, OURS, PARENT)
    assert (span.name, span.kind, span.status.code) == ("GET manifest", SERVER, 0)
    assert span.start_time_unix_nano == 1_700_000_000_500_000_000
    assert span.end_time_unix_nano - span.start_time_unix_nano == 1_500_000_000
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.response.body.size": 7,
        "server.address": "quay.io",
        "regproxy.registry": "quay",
        "regproxy.kind": "manifest",
        "regproxy.outcome": "miss",
        "regproxy.tier": "tags",
    }


def test_what_was_asked_of_a_registry_is_below_the_exchange_that_it_was_for() -> None:
    above, own = seen(exchange(), UpstreamFinished("quay", "blob", "GET", 206, 9, 20.0, span=SPAN))
    assert (own.trace_id, own.parent_span_id) == (above.trace_id, above.span_id)
    assert own.span_id not in (above.span_id, bytes(8))
    assert own.end_time_unix_nano - own.start_time_unix_nano == 20_000_000
    assert abs(own.end_time_unix_nano / 1e9 - time.time()) < 60
    assert (own.name, own.kind, own.status.code) == ("GET blob", CLIENT, 0)
    assert attributes(own)["regproxy.registry"] == "quay"


def test_an_exchange_without_a_trace_of_its_client_begins_one() -> None:
    (span,) = seen(exchange(span=Span(TRACE, OURS, "", 1_700_000_000.5)))
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id) == (TRACE, OURS, b"")


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (exchange(404), False),
        (exchange(502), True),
        (exchange(complete=False), True),
        (UpstreamFinished("quay", "blob", "GET", 429, 0, 1.0, span=SPAN), True),
        (UpstreamFinished("quay", "blob", "GET", 0, 0, 1.0, "timeout", span=SPAN), True),
        (UpstreamFinished("quay", "blob", "GET", 200, 0, 1.0, span=SPAN), False),
    ],
)
def test_what_went_wrong_is_marked(event: Event, failed: bool) -> None:
    (span,) = seen(event)
    assert (span.status.code == ERROR) is failed
    assert attributes(span).get("error.type", "") == (event.failure if isinstance(event, UpstreamFinished) else "")


def test_what_has_no_place_in_a_trace_is_no_span() -> None:
    assert seen(exchange(span=None), UpstreamFinished("quay", "blob", "GET", 200, 0, 1.0)) == []


def test_a_collector_that_hangs_costs_memory_up_to_a_bound_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_EXPORT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:

        async def story(spans: Spans, _: list[str]) -> None:
            for _number in range(2 * MAX_SPANS):
                spans.observe(exchange())
            queue = spans._provider._active_span_processor._span_processors[0]._batch_processor._queue  # type: ignore[attr-defined]
            assert len(queue) <= MAX_SPANS
            closing = time.monotonic()
            await spans.close()
            assert time.monotonic() - closing < MAX_CLOSING_SECONDS + 1

        told(f"http://127.0.0.1:{silent.getsockname()[1]}", story)


def test_a_collector_that_refuses_is_told_of_once() -> None:
    async def story(spans: Spans, said: list[str]) -> None:
        for _ in range(3):
            spans.observe(exchange())
            spans._provider.force_flush()
            await asyncio.sleep(0)
        assert len(said) == 1

    with collecting() as collector:
        collector.status = 400
        (sentence,) = told(collector.url, story)
    assert sentence.startswith("traces: ")
