"""Cache-Control, corner by corner (RFC 9111 §5.2, §1.2.2, §4.2.1)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.freshness.directives import MAX_SECONDS, request_directives, response_directives
from regproxy.freshness.selecting import variant, vary_names


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("max-age=10", 10),
        ("MAX-AGE=10", 10),
        ('max-age="10"', 10),
        ("max-age=0010", 10),
        (f"max-age={'9' * 60}", MAX_SECONDS),
        ("max-age=10, max-age=20", 10),
        (", ,max-age=10,,", 10),
        ("a, max-age=10;b, c", 0),
        ("max-age", 0),
        ("max-age=", 0),
        ("max-age=-1", 0),
        ("max-age=1.5", 0),
        ("max-age=１", 0),  # noqa: RUF001 -- a digit that is none of HTTP's
        ("max-age =10", 0),
        ("max-age= 10", 0),
        ("x=\"max-age=5\", max-age=10", 10),
        ('x="\\", max-age=5", max-age=10', 10),
        ('x="never closed, max-age=10', 10),
        ("(no token), max-age=10", 10),
        ("s-maxage=10", None),
        ("", None),
    ],
)  # fmt: skip
def test_seconds_are_read(value: str, seconds: float | None) -> None:
    assert response_directives((("Cache-Control", value),)).seconds("max-age") == seconds


@pytest.mark.parametrize(
    ("value", "unqualified", "fields"),
    [
        ("no-cache", True, set()),
        ("no-cache=", True, set()),
        ('no-cache=""', True, set()),
        ('no-cache="Set-Cookie"', False, {"set-cookie"}),
        ('no-cache="a , B,,c"', False, {"a", "b", "c"}),
        ("no-cache=a", False, {"a"}),
        ('no-cache="a", max-age=1, no-cache="b, c"', False, {"a", "b", "c"}),
        ('no-cache="a", no-cache', True, set()),
        ('no-cache, no-cache="a"', True, set()),
        ('no-cache="a", no-cache =b', True, set()),
        ('no-cache="a", no-cache=""', True, set()),
        ("private", False, set()),
    ],
)
def test_a_directive_is_about_the_message_or_about_fields(value: str, unqualified: bool, fields: set[str]) -> None:
    told = response_directives((("Cache-Control", value),))
    assert told.unqualified("no-cache") is unqualified
    assert told.fields("no-cache") == frozenset(fields)


def test_pragma_counts_only_where_nothing_newer_is_said() -> None:
    assert "no-cache" in request_directives((("Pragma", "x, No-Cache"),))
    assert "no-cache" not in request_directives((("Pragma", "no-cache"), ("Cache-Control", "max-age=1")))
    assert "no-cache" not in response_directives((("Pragma", "no-cache"),))


@given(st.text(alphabet='max-age=10, "\\\t;', max_size=60))
def test_reading_never_fails_and_each_directive_keeps_its_first_value(value: str) -> None:
    once = response_directives((("Cache-Control", value),))
    twice = response_directives((("Cache-Control", f"max-age=7, {value}"),))
    assert twice.seconds("max-age") == 7
    assert set(once.values) <= set(twice.values)


@pytest.mark.parametrize("piece", ["a", 'a="', '"', "a=b", " ", "=", "\\", 'a="\\', "private=a,"])
def test_a_long_field_is_read_in_its_length(piece: str) -> None:
    value = piece * (1 << 15)
    began = time.process_time()
    response_directives((("Cache-Control", value),))
    variant(frozenset({"x"}), (("X", value),))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ((("A", "1, 2"),), (("a", "1,2"),), True),
        ((("A", "1"), ("A", "2")), (("A", "1 , 2"),), True),
        ((("A", "1,,2"),), (("A", "1, 2"),), True),
        ((("A", "1"), ("B", "x")), (("A", "1"), ("C", "y")), True),
        ((("A", '"1, 2"'),), (("A", '"1,2"'),), False),
        ((("A", "1"),), (("A", "2"),), False),
        ((("A", ""),), (), False),
        ((("A", "1, 2"),), (("A", "2, 1"),), False),
    ],
)
def test_requests_select_the_same_variant_when_the_named_fields_mean_the_same(
    first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...], same: bool
) -> None:
    names = vary_names((("Vary", "A"),))
    assert (variant(names, first) == variant(names, second)) is same


def test_values_of_fields_never_stand_in_a_key() -> None:
    assert "secret" not in variant(frozenset({"x-token"}), (("X-Token", "secret"),))
