"""The trace that a client names."""

import math

import pytest

from regproxy.model.trace import Span, is_trace, span_of, trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("value", "trace"),
    [
        (f"00-{TRACE}-{SPAN}-01", TRACE),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", TRACE),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-{SPAN}-01", ""),
        (f"00-{TRACE}-{SPAN}", ""),
        ('"}\n', ""),
    ],
)
def test_a_trace_is_named_as_the_standard_says_or_there_is_none(value: str, trace: str) -> None:
    assert trace_of((("Traceparent", value),)) == trace
    assert is_trace(trace)


def test_who_names_none_has_none() -> None:
    assert trace_of(()) == ""
    assert not is_trace(TRACE + "0")
    assert not is_trace('"')


@pytest.mark.parametrize(
    ("value", "span"),
    [
        (f"00-{TRACE}-{SPAN}-01", Span(TRACE, "8" * 16, SPAN, 5.0)),
        (f"00-{TRACE}-{SPAN}-03", Span(TRACE, "8" * 16, SPAN, 5.0)),
        (f"00-{TRACE}-{SPAN}-00", None),
        (f"00-{TRACE}-{SPAN}-02", None),
        ("", Span("16" * 16, "8" * 16, "", 5.0)),
        (f"ff-{TRACE}-{SPAN}-01", Span("16" * 16, "8" * 16, "", 5.0)),
    ],
)
def test_an_exchange_has_its_place_in_the_clients_trace_or_begins_one(value: str, span: Span | None) -> None:
    assert span_of((("traceparent", value),), lambda size: "16" * 16 if size == 16 else "8" * 16, 5.0) == span


@pytest.mark.parametrize(
    ("trace", "own", "parent", "began"),
    [
        ("", SPAN, "", 1.0),
        (TRACE, "", "", 1.0),
        ("0" * 32, SPAN, "", 1.0),
        (TRACE, "0" * 16, "", 1.0),
        (TRACE, SPAN, "x", 1.0),
        (TRACE + "\n", SPAN, "", 1.0),
        (TRACE, SPAN, "", -1.0),
        (TRACE, SPAN, "", math.nan),
        (TRACE, SPAN, "", math.inf),
    ],
)
def test_what_the_standard_does_not_know_is_no_span(trace: str, own: str, parent: str, began: float) -> None:
    with pytest.raises(ValueError, match=r"no ids of a trace|no time at which"):
        Span(trace, own, parent, began)
