"""Values in words: what is written is read back to the same value."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.model.decision import FailureClass, Failures, Negative, Revalidation, StaleIfError, Terms
from regproxy.model.registry import Rate
from regproxy.policy.literals import BYTES, MILLISECONDS, literal
from regproxy.policy.source import Source, Span
from regproxy.policy.syntax import Duration, Frequency, Percent, Size, Text, Value
from regproxy.policy.words import duration, failures_in_words, percentage, quoted, rate, size, terms_in_words


def read(kind: str, text: str) -> Value:
    value, found = literal(kind, Span(Source("value", text), 0, len(text)))
    assert found == ()
    return value


@given(st.lists(st.tuples(st.integers(0, 1200), st.sampled_from(sorted(MILLISECONDS))), min_size=1, max_size=4))
@settings(deadline=None)
def test_a_time_is_read_back(parts: list[tuple[int, str]]) -> None:
    value = read("duration", "".join(f"{number}{unit}" for number, unit in parts))
    assert isinstance(value, Duration)
    again = read("duration", duration(value.seconds))
    assert isinstance(again, Duration)
    assert again.seconds == value.seconds


@given(
    st.decimals(0, 10**15 - 1, places=3).map(str) | st.integers(1, 10**15 - 1).map(str), st.sampled_from(sorted(BYTES))
)
@settings(deadline=None)
def test_a_size_is_read_back(number: str, unit: str) -> None:
    value = read("size", f"{number}{unit}")
    assert isinstance(value, Size)
    again = read("size", size(value.count))
    assert isinstance(again, Size)
    assert again.count == value.count


@given(st.decimals(0, 99, places=9).map(str) | st.integers(0, 99).map(str))
@settings(deadline=None)
def test_a_share_is_read_back(number: str) -> None:
    value = read("percent", f"{number}%")
    assert isinstance(value, Percent)
    again = read("percent", percentage(value.share))
    assert isinstance(again, Percent)
    assert again.share == value.share


@given(st.integers(0, 10**9), st.integers(0, 1200), st.sampled_from(sorted(MILLISECONDS)))
@settings(deadline=None)
def test_a_rate_is_read_back(count: int, number: int, unit: str) -> None:
    value = read("rate", f"{count}/{number}{unit}")
    assert isinstance(value, Frequency)
    again = read("rate", rate(Rate(value.count, value.seconds)))
    assert isinstance(again, Frequency)
    assert (again.count, again.seconds) == (value.count, value.seconds)


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])))
@settings(deadline=None)
def test_a_text_is_read_back(text: str) -> None:
    written = quoted(text)
    value = read("raw" if written[0] == "'" else "string", written)
    assert isinstance(value, Text)
    assert value.text == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (duration(0.0), "0s"),
        (duration(math.inf), "forever"),
        (duration(90.0), "1m30s"),
        (duration(1.5), "1s500ms"),
        (size(32 * 1024**3), "32GiB"),
        (size(1_500_000), "1500000B"),
        (percentage(0.1), "10%"),
        (percentage(0.07), "7%"),
        (percentage(0.125), "12.5%"),
        (quoted("a b"), '"a b"'),
        (quoted(r"v\d+"), r"'v\d+'"),
        (quoted('it\'s "so"'), r'''"it's \"so\""'''),
        (failures_in_words(Failures(frozenset(FailureClass), frozenset({429, 502}))), "error, 429, 502"),
        (failures_in_words(Failures(statuses=frozenset({404}))), "404"),
    ],
)
def test_values_are_written_as_people_write_them(value: str, words: str) -> None:
    assert value == words


def test_terms_are_written_as_the_language_writes_them() -> None:
    some = Failures(frozenset({FailureClass.DNS, FailureClass.TLS}), frozenset({404, *range(500, 600)}))
    terms = Terms(
        fresh=math.inf,
        stale_if_error=StaleIfError(90.0, some),
        stale_while_revalidate=1.5,
        revalidate=Revalidation("etag", 0.0),
        negative=Negative(frozenset({410, 404}), 60.0),
    )
    assert terms_in_words(terms) == (
        "fresh forever; stale if-error 1m30s on [dns, tls, 404, 5xx]; stale while-revalidate 1s500ms; "
        "revalidate etag within 0s; negative 404 410 for 1m"
    )
