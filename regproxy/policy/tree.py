"""Lark's tree to ours."""

from lark import Token, Tree

from regproxy.policy.diagnostic import Diagnostic
from regproxy.policy.literals import literal
from regproxy.policy.source import Source, Span
from regproxy.policy.syntax import (
    Always,
    Argument,
    Block,
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    Item,
    Let,
    List,
    Match,
    Negation,
    Statement,
    Value,
    Word,
)

Node = Tree[Token] | Token


class Reader:
    """Reads one item; literals that are nearly values are found here."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []

    def item(self, node: Node) -> Item:
        """A statement, a block or a match."""
        tree = _tree(node)
        span = self._span(tree)
        if tree.data == "match":
            return Match(self._expression(_tree(tree.children[0])), span)
        if tree.data == "let":
            return self._let(tree)
        head, *rest = (_tree(child) for child in tree.children)
        name = Word(str(head.children[0]), self._span(head))
        inside = [child for child in rest if child.data in ("statement", "let", "block", "match")]
        arguments = tuple(self._argument(child) for child in rest if child not in inside)
        if tree.data == "statement":
            return Statement(name, arguments, span)
        return Block(name, arguments, tuple(self.item(child) for child in inside), span)

    def _let(self, tree: Tree[Token]) -> Let:
        name, value = tree.children[1], tree.children[3]
        if not isinstance(name, Token):
            raise TypeError("a definition begins with a name")
        return Let(self._word(name), self._argument(_tree(value)), self._span(tree))

    def _argument(self, tree: Tree[Token]) -> Argument:
        if tree.data == "list":
            return List(tuple(self._value(_tree(child)) for child in tree.children), self._span(tree))
        return self._value(tree)

    def _value(self, tree: Tree[Token]) -> Value:
        value, found = literal(str(tree.data), self._span(tree))
        self.found += found
        return value

    def _expression(self, tree: Tree[Token]) -> Expression:
        span = self._span(tree)
        match tree.data:
            case "always":
                return Always(span)
            case "negate":
                return Negation(self._expression(_tree(tree.children[-1])), span)
            case "all_of":
                return Conjunction(tuple(self._expression(_tree(child)) for child in tree.children), span)
            case "any_of":
                return Disjunction(tuple(self._expression(_tree(child)) for child in tree.children), span)
            case _:
                return self._test(tree)

    def _test(self, tree: Tree[Token]) -> Comparison:
        attribute, operator, operand = tree.children
        if not isinstance(attribute, Token):
            raise TypeError("a test begins with a name")
        words = [str(word) for word in _tree(operator).children]
        operands: list[Value] = []
        for child in _tree(operand).children:
            given = self._argument(_tree(child))
            operands += given.items if isinstance(given, List) else (given,)
        return Comparison(
            self._word(attribute),
            next(word for word in words if word != "not"),
            "not" in words,
            tuple(operands),
            self._span(tree),
        )

    def _word(self, token: Token) -> Word:
        return Word(str(token), Span(self.source, token.start_pos or 0, token.end_pos or 0))

    def _span(self, tree: Tree[Token]) -> Span:
        return Span(self.source, tree.meta.start_pos, tree.meta.end_pos)


def _tree(node: Node) -> Tree[Token]:
    if not isinstance(node, Tree):
        raise TypeError("the grammar puts a rule here")
    return node
