"""Shorter expressions: never another meaning."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.policy.pattern import Anchor, compile_regex
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.simpler import simpler
from tests.rehearsal.test_automaton import ALPHABET, expressions

STEPS = 1_000_000


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        (r"(?:(.*)(\d|\.)+(.*)(\d|\.)+(.*)(\d|\.)+).*", r".*[\d.].*[\d.].*[\d.].*"),
        (r"v?\d+\.\d+\.\d+([-+._].*)?", r"v?\d+\.\d+\.\d+([-+._].*)?"),
        ("(latest)", "latest"),
        ("^(?:a|b)*$", "[ab]*"),
        ("((a+)+)+", "a+"),
        (r"\pL\pL*", r"\pL\pL*"),
        ("a" * 121 + "a*a*", "a" * 121 + "a*a*"),
    ],
)
def test_what_may_be_left_out_is(text: str, shorter: str) -> None:
    assert simpler(compile_regex(text), Budget(STEPS)) == shorter


def test_without_work_left_an_expression_stays_as_it_is() -> None:
    assert simpler(compile_regex("(a)"), Budget(1)) == "(a)"


@given(expressions(), st.sampled_from([Anchor.WHOLE, Anchor.ANYWHERE]), st.lists(st.text(ALPHABET), max_size=20))
@settings(max_examples=60, deadline=None)
def test_the_shorter_expression_matches_the_same(text: str, anchor: Anchor, words: list[str]) -> None:
    try:
        pattern = compile_regex(text, anchor)
    except ValueError:
        return
    shorter = compile_regex(simpler(pattern, Budget(STEPS)), anchor)
    assert len(shorter.text) <= len(text)
    assert [shorter.matches(word) for word in words] == [pattern.matches(word) for word in words]
