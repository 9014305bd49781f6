"""RP206: a regular expression that a shorter one is proved to equal.

What may be left out of it is tried, piece by piece. RE2 sorts out nearly all that is wrong by a few words; what remains
is proved by the automaton of both.
"""

import re
from collections.abc import Iterator
from itertools import islice

from regproxy.policy.condition import predicates
from regproxy.policy.diagnostic import Diagnostic, note
from regproxy.policy.operand import Matching
from regproxy.policy.pattern import Anchor, Pattern, compile_regex
from regproxy.policy.policy import Policy
from regproxy.policy.source import Span
from regproxy.policy.words import quoted
from regproxy.rehearsal.automaton import MAX_SUBSETS, Automaton
from regproxy.rehearsal.budget import Budget, UndecidedError
from regproxy.rehearsal.domain import decidable, test_of_pattern
from regproxy.rehearsal.grammars import VISIBLE
from regproxy.rehearsal.regex import Node
from regproxy.rehearsal.syntax import read

MAX_STEPS = 1_000_000
MAX_LENGTH = 120
MAX_WORDS = 200
_EVERYTHING = read("(?s).*").node
_PIECE = re.compile(
    r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\\x\{\w+\}|\\x\w\w|\\.|\{\d+(?:,\d*)?\}|\(\?:|\(\?P?<\w+>|.", re.DOTALL
)
_QUANTIFIER = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")
_SINGLES = re.compile(r"\((?:\?:)?((?:(?:\\[.dsw]|\w)\|)+(?:\\[.dsw]|\w))\)")
_PLAIN = re.compile(r"(?:[\w/:-]|\\\.)+")


def long_patterns(policy: Policy) -> Iterator[Diagnostic]:
    """The expressions of a policy that can be written shorter, as far as MAX_STEPS lead."""
    budget = Budget(MAX_STEPS)
    seen: set[Pattern] = set()
    for pattern, place in _expressions(policy):
        if pattern in seen:
            continue
        seen.add(pattern)
        text = simpler(pattern, budget)
        if pattern.anchor is Anchor.WHOLE and _PLAIN.fullmatch(text):
            plain = quoted(text.replace("\\", ""))
            yield note("RP206", place, "the expression matches one text only", help=f"write `is {plain}`")
        elif text != pattern.text:
            sentence = "the expression can be written shorter, with the same meaning"
            yield note("RP206", place, sentence, help=f"write {quoted(text, pattern=True)}")


def _expressions(policy: Policy) -> Iterator[tuple[Pattern, Span]]:
    """What was written as an expression: a glob is another text than what it means."""
    for tier in policy.tiers:
        for predicate in predicates(tier.condition):
            for operand, place in zip(predicate.operands, predicate.places, strict=True):
                if isinstance(operand, Matching) and predicate.operator != "like":
                    yield operand.pattern, place


def simpler(pattern: Pattern, budget: Budget) -> str:
    """The shortest equal expression that leaving out leads to; the text itself when there is none."""
    node = _node(pattern)
    text = pattern.text
    if node is None or len(text) > MAX_LENGTH:
        return text
    try:
        words = tuple(islice(Automaton(_EVERYTHING, [node], VISIBLE).cover(budget), MAX_WORDS))
        verdicts = tuple((word, pattern.matches(word)) for word in words)
        while True:
            likely = (
                one
                for one in _compiled(_shorter(text), pattern.anchor)
                if all(one.matches(word) is verdict for word, verdict in verdicts)
            )
            found = next((one for one in likely if _equal(node, one, budget)), None)
            if found is None:
                return text
            text = found.text
    except UndecidedError:
        return text


def _node(pattern: Pattern) -> Node | None:
    expression = decidable(test_of_pattern(pattern), ascii_only=False)
    return expression.node if expression is not None else None


def _compiled(texts: Iterator[str], anchor: Anchor) -> Iterator[Pattern]:
    for text in texts:
        try:
            yield compile_regex(text, anchor)
        except ValueError:
            continue


def _equal(node: Node, other: Pattern, budget: Budget) -> bool:
    """Whether no word is of one only."""
    theirs = _node(other)
    if theirs is None:
        return False
    return set(Automaton(_EVERYTHING, [node, theirs], VISIBLE).words(MAX_SUBSETS, budget)) <= {0b00, 0b11}


def _shorter(text: str) -> Iterator[str]:
    """An expression with a class for a choice of characters, and without one of its pairs of parentheses or pieces."""
    for choice in _SINGLES.finditer(text):
        inner = choice[1].replace("|", "").replace("\\.", ".")
        yield f"{text[: choice.start()]}[{inner}]{text[choice.end() :]}"
    pieces = _PIECE.findall(text)
    for opened, closed in _groups(pieces):
        yield "".join((*pieces[:opened], *pieces[opened + 1 : closed], *pieces[closed + 1 :]))
    for at, piece in enumerate(pieces):
        if piece.startswith("(") or piece == ")":
            continue
        if at + 1 < len(pieces) and _QUANTIFIER.fullmatch(pieces[at + 1]):
            yield "".join((*pieces[:at], *pieces[at + 2 :]))
        yield "".join((*pieces[:at], *pieces[at + 1 :]))


def _groups(pieces: list[str]) -> Iterator[tuple[int, int]]:
    """Where each pair of parentheses stands."""
    opened: list[int] = []
    for at, piece in enumerate(pieces):
        if piece.startswith("("):
            opened.append(at)
        elif piece == ")" and opened:
            yield opened.pop(), at
