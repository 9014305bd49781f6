"""Texts made to use up the program: each gets a finding, and every loop over them has its bound."""

import pytest

from regproxy.policy.diagnostic import MAX_WORD, nearest, render
from regproxy.policy.expression import MAX_TESTS
from regproxy.policy.load import load
from regproxy.policy.parse import MAX_TOKENS
from regproxy.policy.source import Source

MIB = 1024 * 1024


def tier(match: str) -> str:
    return f"policy 1;\ntier a {{ match {match}; pass; }}\n"


BOMBS = {
    "a mebibyte of tiers": ("policy 1;\n" + tier("tag is x")[10:] * 40_000)[:MIB],
    "a mebibyte of mistakes": "tier a { match = ; }\n" * 50_000,
    "a mebibyte of semicolons": ";" * MIB,
    "a mebibyte in one word": "policy 1; " + "a" * MIB,
    "a mebibyte in one string": 'policy 1; x "' + "a" * MIB,
    "a mebibyte of schemes": "policy 1; x " + "a://" * (MIB // 4),
    "a mebibyte of passwords": "policy 1; x " + "password " * (MIB // 9),
    "20,000 terms": tier(" and ".join(f"tag is not x{n}" for n in range(20_000))),
    "a list of 20,000": tier("tag in [" + ", ".join(f"x{n}" for n in range(20_000)) + "]"),
    "parentheses 10,000 deep": tier("(" * 10_000 + "any" + ")" * 10_000),
    "10,000 times not": tier("not " * 10_000 + "any"),
    "blocks 10,000 deep": "policy 1; " + "a { " * 10_000,
    "repetition of repetition": tier("tag matches '((a{1,100}){1,100}){1,100}'"),
    "many large patterns": tier(" or ".join(f"tag matches '((x{{0,900}}y){{0,900}}){n}'" for n in range(900))),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_a_finding(text: str) -> None:
    loaded = load(Source("bomb", text), {})
    assert loaded.policy is None
    assert 0 < len(loaded.errors) <= 1000
    assert all(len(render(found)) < 2000 for found in loaded.errors)


def test_what_is_just_within_the_bounds_loads() -> None:
    tests = " or ".join(f"tag is x{n}" for n in range(MAX_TESTS))
    assert load(Source("large", tier(tests)), {}).policy is not None
    tiers = "".join(f"tier t{n} {{ match tag is x{n}; pass; }}\n" for n in range(MAX_TOKENS // 13))
    assert load(Source("many", f"policy 1;\n{tiers}"), {}).policy is not None


def test_a_word_that_nobody_misspelt_is_compared_with_nothing() -> None:
    assert nearest("a" * MAX_WORD, ["a" * (MAX_WORD - 1)]).startswith("did you mean")
    assert nearest("a" * (MAX_WORD + 1), ["a" * MAX_WORD]).startswith("known here")
