"""The trace that a client names."""

import pytest

from regproxy.model.trace import is_trace, trace_of

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
