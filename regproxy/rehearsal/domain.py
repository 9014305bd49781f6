"""One variable of a request, cut into the cells that no test of a policy tells apart.

Each cell has a word that stands for it, and each test is the set of cells that it admits, as bits. Everything that is
to be proved about words is so a matter of finite sets, without an approximation.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from regproxy.policy.operand import Exactly, FromNetwork, InGroup, Matching, OnHost, OnHostLike, Operand
from regproxy.policy.pattern import Anchor, Pattern
from regproxy.rehearsal.automaton import Automaton
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.grammars import Grammar
from regproxy.rehearsal.regex import Expression, anywhere, literal
from regproxy.rehearsal.syntax import InexpressibleError, read

# What it costs to read and to build.
STEPS_PER_STATE = 10

# What a test asks of a word: to be a word, or to be matched by an expression.
Test = tuple[Anchor | None, str]


def test_of(operand: Operand) -> Test:
    """The test that an operand makes of its attribute; of a host, without its port."""
    match operand:
        case Exactly(text=text) | OnHost(host=text):
            return None, text
        case Matching(pattern=pattern) | OnHostLike(pattern=pattern):
            return test_of_pattern(pattern)
        case FromNetwork(network):
            return None, str(network)
        case InGroup(group):
            return None, group.name
        case _:
            assert_never(operand)


def test_of_pattern(pattern: Pattern) -> Test:
    """The test that a pattern makes: hosts are matched as a whole too."""
    return (Anchor.ANYWHERE if pattern.anchor is Anchor.ANYWHERE else Anchor.WHOLE), pattern.regex


def expression_of(test: Test) -> Expression:
    """The expression of a test; raises InexpressibleError."""
    anchor, text = test
    if anchor is None:
        return literal(text)
    expression = read(text)
    return Expression(anywhere(expression.node), expression.beyond) if anchor is Anchor.ANYWHERE else expression


@dataclass(frozen=True, slots=True)
class Domain:
    """The cells of one variable by their words, the likeliest first; a test that is not here cannot be decided."""

    words: tuple[str, ...] = ("",)
    tests: Mapping[Test, int] = field(default_factory=dict)

    @property
    def every(self) -> int:
        """All cells."""
        return (1 << len(self.words)) - 1


def explore(grammars: Sequence[Grammar], tests: Iterable[Test], budget: Budget) -> Domain:
    """The cells into which tests cut the words of some grammars; raises UndecidedError."""
    asked = tuple(tests)
    words: list[str] = []
    admitted: dict[Test, int] = {}
    for grammar in grammars:
        readable = {test: decidable(test, ascii_only=grammar.alphabet.isascii()) for test in asked}
        known = {test: expression for test, expression in readable.items() if expression is not None}
        for word, signature in _cells(grammar, known, budget):
            for position, test in enumerate(known):
                admitted[test] = admitted.get(test, 0) | (signature >> position & 1) << len(words)
            words.append(word)
    return Domain(tuple(words), admitted)


def decidable(test: Test, *, ascii_only: bool) -> Expression | None:
    """The expression of a test; None when it cannot be read exactly, for words of ASCII only or for all."""
    try:
        expression = expression_of(test)
    except InexpressibleError:
        return None
    return expression if ascii_only or not expression.beyond else None


def _cells(grammar: Grammar, tests: Mapping[Test, Expression], budget: Budget) -> Iterator[tuple[str, int]]:
    """A word and the signature of each cell, those with a sample first."""
    nodes = [expression.node for expression in tests.values()]
    without = 0
    if grammar.without is not None:
        without = 1 << len(nodes)
        nodes.append(grammar.without)
    automaton = Automaton(grammar.node, nodes, grammar.alphabet)
    budget.spend(STEPS_PER_STATE * automaton.size)
    cells: dict[int, str] = {}
    for sample in grammar.samples:
        signature = automaton.signature(sample, budget)
        if signature is not None:
            cells.setdefault(signature, sample)
    for signature, word in automaton.words(grammar.longest, budget).items():
        cells.setdefault(signature, word)
    return ((word, signature) for signature, word in cells.items() if not signature & without)
