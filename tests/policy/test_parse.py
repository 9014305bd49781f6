"""The parser: no collisions in the grammar, no input that breaks it, and no mistake that hides another."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark

import regproxy.policy.parse
from regproxy.policy.diagnostic import render
from regproxy.policy.load import load
from regproxy.policy.parse import MAX_MISTAKES, MAX_NESTING, parse
from regproxy.policy.source import Source
from regproxy.policy.syntax import Block, Broken

PIECES = (
    "policy 1; tier registry defaults cache tunnel match any and or not is in like matches finds kind manifest tag "
    "host fresh stale if-error pass deny 403 forever 10m 10min 32GiB 5xx 5% $outage $x { } ( ) [ ] , ; = ! # \n "
    '"a" \'b\' " \' "\\x" é \x00 9999999999999999999 \t 1.2 hosts "h" upstream connect-to include known'
).split(" ")


def test_the_grammar_has_no_collisions() -> None:
    path = Path(regproxy.policy.parse.__file__).with_name("policy.lark")
    Lark.open(str(path), parser="lalr", lexer="basic", strict=True)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_it(text: str) -> None:
    loaded = load(Source("any", text), {})
    assert all(render(found) for found in loaded.diagnostics)
    assert loaded.policy is not None or loaded.errors


@given(st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_no_order_of_words_breaks_it(text: str) -> None:
    loaded = load(Source("any", text), {})
    assert all(render(found) for found in loaded.diagnostics)
    assert loaded.policy is not None or loaded.errors


@pytest.mark.parametrize(
    "text",
    [
        "{" * 5000,
        "tier a { match " + "(" * 5000 + "any",
        "tier a { match " + "not " * 5000 + "any; }",
        "[" * 5000,
        "}" * 5000,
        ";" * 5000,
        "\ud800",
    ],
)
def test_what_is_nested_or_repeated_without_end_is_bounded(text: str) -> None:
    parsed = parse(Source("deep", text))
    assert 0 < len(parsed.diagnostics) <= MAX_MISTAKES + 1


def test_what_is_nested_as_deep_as_allowed_is_read() -> None:
    depth = MAX_NESTING - 1
    parsed = parse(Source("deep", "tier a { match " + "(" * depth + "any" + ")" * depth + "; pass; }"))
    assert parsed.diagnostics == ()


def test_a_mistake_in_one_statement_leaves_its_neighbours() -> None:
    parsed = parse(Source("x", "tier a { match any; fresh = ; } tier b { match any or; pass; }"))
    first, second = parsed.items
    assert isinstance(first, Block)
    assert len(first.items) == 2
    assert isinstance(second, Block)
    assert isinstance(second.items[0], Broken)
    assert len(second.items) == 2


def test_a_forgotten_brace_costs_one_block() -> None:
    parsed = parse(Source("x", "tier a {\n  match any;\n  pass;\ntier b { match any; pass; }\n"))
    assert [found.code for found in parsed.diagnostics] == ["RP004"]
    assert [item.name.text for item in parsed.items if isinstance(item, Block)] == ["tier", "tier"]
