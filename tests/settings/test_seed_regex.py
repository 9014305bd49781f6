"""Manifest regexes of the seed: what PCRE has and RE2 has not is named, with its column and a rewrite."""

import re

import pytest
import re2

from regproxy.policy.condition import predicates
from regproxy.policy.load import load
from regproxy.policy.operand import Matching
from regproxy.policy.source import Source
from regproxy.settings.packaged import packaged_source
from regproxy.settings.seed_regex import regex_literal, seed_difference


@pytest.mark.parametrize(
    ("regex", "column", "name"),
    [
        ("(?!rc)v.*", 1, "look-around"),
        ("v(?=1)", 2, "look-around"),
        ("v(?<=v)1", 2, "look-around"),
        ("v(?<!x)1", 2, "look-around"),
        (r"\((?!a)", 3, "look-around"),
        ("(?>a)", 1, "an atomic group"),
        (r"(a)\1", 4, "a back-reference"),
        ("(?<x>a)\\k<x>", 8, "a back-reference"),
        ("a++", 2, "a possessive quantifier"),
        ("(a)(?1)", 4, "recursion"),
        (r"a\\.(?!b)", 5, "look-around"),
        (r"(a)\\1", 4, "a back-reference"),
        (r"a\Z", 2, "an escape that only PCRE has"),
    ],
)
def test_what_re2_has_not_is_refused_with_its_place(regex: str, column: int, name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"X_REGEX, column {column}: {name} is not supported")):
        regex_literal("X_REGEX", regex)


def test_a_leading_exclusion_gets_the_condition_that_says_the_same() -> None:
    with pytest.raises(ValueError, match="look-around") as caught:
        regex_literal("X_REGEX", "(?!rc|beta)v.*")
    condition = str(caught.value).partition("in a policy file: ")[2]
    loaded = load(Source("test", f"policy 1; tier t {{ {condition} pass; }}"), {})
    assert loaded.diagnostics == ()
    assert loaded.policy is not None


@pytest.mark.parametrize(
    "regex", [r"[(?!]", r"\(\?!a", r"[]++]", "a+", "a{2}", "(?i)a", "(?:a)", "it's", 'a"\\' + "\\b"]
)
def test_what_only_looks_like_it_is_taken_as_written(regex: str) -> None:
    literal = regex_literal("X_REGEX", regex)
    loaded = load(Source("test", f"policy 1; tier t {{ match ref matches {literal}; pass; }}"), {})
    assert loaded.policy is not None, loaded.diagnostics


@pytest.mark.parametrize("regex", ["a\nb", "a\x00", "\u200b"])
def test_invisible_characters_are_refused(regex: str) -> None:
    with pytest.raises(ValueError, match="X_REGEX contains"):
        regex_literal("X_REGEX", regex)


@pytest.mark.parametrize(
    ("regex", "clause"),
    [
        ("(a|b)", ""),
        (r"a[|]\|b", ""),
        (r"\(a|b", "has a |"),
        ("(a)|b", "has a |"),
        ("latest|stable", "has a |"),
        ("^v1$", "begins with ^"),
        ("", ""),
    ],
)
def test_what_meant_something_else_in_the_seed_is_said(regex: str, clause: str) -> None:
    assert seed_difference(regex).startswith(clause)
    assert bool(seed_difference(regex)) is bool(clause)


def test_the_seeds_patterns_take_linear_time_on_whatever_tag_a_stranger_chooses() -> None:
    """RE2 takes at most the length of the tag times the size of the program; backtracking knows no such bound."""
    loaded = load(packaged_source("seed"), {})
    assert loaded.policy is not None
    tests = [test for tier in loaded.policy.tiers for test in predicates(tier.condition) if test.attribute == "ref"]
    patterns = [
        operand.pattern.compiled for test in tests for operand in test.operands if isinstance(operand, Matching)
    ]
    assert len(patterns) == 2
    for pattern in patterns:
        assert isinstance(pattern, type(re2.compile("")))
        assert pattern.programsize < 100
