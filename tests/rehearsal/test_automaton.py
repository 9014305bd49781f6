"""Our automata against RE2 itself, on generated expressions and words."""

import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.rehearsal.automaton import Automaton
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.regex import anywhere
from regproxy.rehearsal.syntax import InexpressibleError, read

STEPS = 1_000_000
ALPHABET = "ab1.-_/AZ +^]é"
ATOMS = (
    "a", "b", "1", "-", "_", ".", "Z", r"\.", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[ab]", "[^a]", "[a-c1-3]",
    "[]a]", "[^]-]", "[a-]", r"[\d.]", r"[^\W_]", "[[:alpha:]]", "[[:^digit:]-]", "[[:punct:]]", "^", "$", r"\A", r"\z",
    r"\b", r"\B", r"\x61", r"\x{41}", r"\141", r"\-", "{", "a{,2}", "(?i)a", "(?i:B)", "(?s:.)", "(?i:[x-z])",
    "(?-i:a)", "(?P<n>b)", "(?<n>b)", "()", "[^é]", "é",
)  # fmt: skip
QUANTIFIERS = ("", "*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,}", "{0,2}", "{2,3}?")


def expressions() -> st.SearchStrategy[str]:
    atoms = st.tuples(st.sampled_from(ATOMS), st.sampled_from(QUANTIFIERS)).map(
        lambda two: (
            two[0]
            + (two[1] if not two[0].endswith((")", "}", "?")) or (two[0].startswith("(") and ":" in two[0]) else "")
        )
    )
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda two: f"{two[0]}|{two[1]}"),
            st.tuples(inner, st.sampled_from(QUANTIFIERS)).map(lambda two: f"(?:{two[0]}){two[1]}"),
            inner.map(lambda one: f"({one})"),
        ),
        max_leaves=8,
    )


@given(expressions(), st.lists(st.text(ALPHABET, max_size=6), min_size=1, max_size=12))
@settings(max_examples=500, deadline=None)
def test_an_expression_holds_the_words_that_re2_matches(text: str, words: list[str]) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error:
        return
    try:
        expression = read(text)
    except InexpressibleError:
        assert "é" in text
        return
    automaton = Automaton(read("(?s).*").node, [expression.node, anywhere(expression.node)], ALPHABET)
    for word in words:
        if expression.beyond and not word.isascii():
            continue
        expected = (compiled.fullmatch(word) is not None) + 2 * (compiled.search(word) is not None)
        assert automaton.signature(word, Budget(STEPS)) == expected, word
