"""The grammars against the code that lets names in: never narrower, or a proof would forget requests."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.model.address import canonical_host
from regproxy.model.oci import OtherPath, classify, is_repository, is_tag, parse_digest
from regproxy.rehearsal.automaton import Automaton
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.domain import explore
from regproxy.rehearsal.grammars import DIGESTS, HOST, OTHER_PATH, REPOSITORY, TAG, Grammar

STEPS = 1_000_000


def is_digest(text: str) -> bool:
    try:
        return str(parse_digest(text)) == text
    except ValueError:
        return False


def is_host(text: str) -> bool:
    try:
        return canonical_host(text) == text
    except ValueError:
        return False


def is_other(text: str) -> bool:
    return isinstance(classify(text), OtherPath)


def holds(grammar: Grammar, word: str) -> bool:
    without = [grammar.without] if grammar.without is not None else []
    return Automaton(grammar.node, without, grammar.alphabet).signature(word, Budget(STEPS)) == 0


@pytest.mark.parametrize(
    ("grammars", "lets_in", "texts"),
    [
        ([REPOSITORY], is_repository, st.text("ab0/-._", max_size=10)),
        ([TAG], is_tag, st.text("aZ0-._", max_size=10)),
        (DIGESTS, is_digest, st.tuples(st.text("az0+-._", max_size=5), st.text("aZ0-_=", max_size=5)).map(":".join)),
        ([HOST], is_host, st.text("ab0-._", max_size=10)),
        ([OTHER_PATH], is_other, st.text("/v12_ping.", max_size=10).map("/{}".format)),
    ],
)
def test_what_is_let_in_is_of_the_grammar(
    grammars: list[Grammar], lets_in: Callable[[str], bool], texts: st.SearchStrategy[str]
) -> None:
    let_in = 0

    @given(texts)
    @settings(max_examples=400, deadline=None)
    def follow(text: str) -> None:
        nonlocal let_in
        if lets_in(text):
            let_in += 1
            assert any(holds(grammar, text) for grammar in grammars)

    follow()
    assert let_in > 20


@pytest.mark.parametrize(
    ("grammars", "lets_in", "longest"),
    [
        ([REPOSITORY], is_repository, "a" * 255),
        ([TAG], is_tag, "a" * 128),
        (DIGESTS, is_digest, "a:" + "a" * 254),
        ([HOST], is_host, ".".join(["a" * 63] * 3 + ["a" * 61])),
    ],
)
def test_the_longest_name_that_is_let_in_has_a_cell(
    grammars: list[Grammar], lets_in: Callable[[str], bool], longest: str
) -> None:
    assert lets_in(longest)
    assert not lets_in(longest + "a")
    tests = explore(grammars, [(None, longest), (None, longest + "a")], Budget(STEPS)).tests
    assert tests[None, longest]
    assert not tests[None, longest + "a"]
