"""Patterns are RE2: bounded in time, with the seed's meaning of a digit."""

import time

import pytest

from regproxy.policy.pattern import MAX_PATTERN, Anchor, compile_glob, compile_regex, glob_regex


@pytest.mark.parametrize(
    ("glob", "separator", "regex"),
    [
        ("a*b", "/", "a[^/]*b"),
        ("**", "/", ".*"),
        ("*.x", ".", r"[^\.]+\.x"),
        ("a*.x", ".", r"a[^\.]*\.x"),
        ("[!a-c]?", "/", "[^/a-c][^/]"),
        ("{a,b*}c,", "/", "(?:a|b[^/]*)c,"),
        ("a+(b)", "/", r"a\+\(b\)"),
    ],
)
def test_a_glob_is_a_regular_expression(glob: str, separator: str, regex: str) -> None:
    assert glob_regex(glob, separator) == regex


@pytest.mark.parametrize(
    "regex", ["(a+)+", r"([a-z0-9]+[._-]?)+", r"(\w+\.?)+x", r"(.*)(\d|\.)+(.*)(\d|\.)+(.*)(\d|\.)+"]
)
def test_what_takes_a_backtracking_engine_for_ever_is_answered_at_once(regex: str) -> None:
    pattern = compile_regex(regex)
    start = time.process_time()
    assert not pattern.matches("a" * 5000 + "!")
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    "text", ["(?!x)", r"(a)\1", "(", "a{1001}", "\ud800", "((((a{99}){99}){99}){99})", "a" * (MAX_PATTERN + 1)]
)
def test_what_is_not_supported_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        compile_regex(text)


def test_a_glob_that_is_too_long_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="longer"):
        compile_glob("*" * (MAX_PATTERN + 1), Anchor.HOST)
