"""Text to syntax tree, item by item: one mistake hides nothing but itself.

The whole text is lexed once (the lexer cannot fail), cut into items by braces and semicolons, and each item is parsed
on its own; where a block does not parse, its header and the items in it are tried one by one.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache
from itertools import islice

from lark import Lark, Token, UnexpectedToken
from lark.lexer import BasicLexer, LexerThread

from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.mistakes import unexpected
from regproxy.policy.source import Source, Span
from regproxy.policy.syntax import Block, Broken, Item
from regproxy.policy.tree import Reader

MAX_NESTING = 32
MAX_TOKENS = 60_000
MAX_MISTAKES = 100


@cache
def grammar() -> Lark:
    """The parser's tables, built once; they hold no state of a parse."""
    return Lark.open(
        "policy.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
    )


@cache
def _ignoring_nothing() -> BasicLexer:
    """The grammar's lexer, built once; `Lark.lex` would build it anew at each call."""
    terminals = copy(grammar().lexer_conf)
    terminals.ignore = ()
    return BasicLexer(terminals)


def every_token(text: str) -> Iterator[Token]:
    """All tokens of a text, comments and white space too: put together they are the text."""
    return LexerThread.from_text(_ignoring_nothing(), text).lex(None)  # type: ignore[no-untyped-call,no-any-return]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The items of one source, and what was wrong with it."""

    items: tuple[Item, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Parse a source; never raises."""
    tokens = _tokens(source.text)
    if len(tokens) > MAX_TOKENS:
        last = tokens[-1]
        place = Span(source, last.start_pos or 0, last.end_pos or 0)
        found = error("RP005", place, f"the file has more than {MAX_TOKENS:,} words", help="is it a policy?")
        return Parsed((Broken(place),), (found,))
    parser = _Parser(source)
    items = parser.items(tokens)
    return Parsed(tuple(items), tuple(parser.found))


def _tokens(text: str) -> list[Token]:
    """The tokens, one more than `MAX_TOKENS` at most; `Lark.lex` would build the lexer anew at each call."""
    whole = grammar().parse_interactive(text)
    return list(islice(whole.lexer_thread.lex(whole.parser_state), MAX_TOKENS + 1))  # type: ignore[no-untyped-call]


class _Parser:
    """One parse: collects what it finds."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []

    def items(self, tokens: list[Token]) -> list[Item]:
        """All items of a text or of a block's inside."""
        read: list[Item] = []
        for piece in _pieces(tokens):
            if len(self.found) >= MAX_MISTAKES:
                break
            if (deep := _too_deep(piece)) is not None:
                sentence = f"more than {MAX_NESTING} levels of braces, brackets or `not`"
                self.found.append(error("RP005", self._span(deep, deep), sentence))
                read.append(Broken(self._span(piece[0], piece[-1])))
            else:
                read.append(self._item(piece))
        return read

    def _item(self, tokens: list[Token]) -> Item:
        state = grammar().parse_interactive()
        at = 0
        try:
            for at, token in enumerate(tokens):  # noqa: B007 -- the place of the mistake
                state.feed_token(token)
            at = len(tokens)
            tree = state.feed_eof(tokens[-1])  # type: ignore[no-untyped-call]
        except UnexpectedToken:
            opening = next((i for i, token in enumerate(tokens) if token.type == "LBRACE"), len(tokens))
            if at > opening:
                return self._block(tokens, opening)
            accepted: set[str] = state.accepts()  # type: ignore[no-untyped-call]
            self.found.append(unexpected(self.source, tokens, at, frozenset(accepted)))
            return Broken(self._span(tokens[0], tokens[-1]))
        reader = Reader(self.source)
        item = reader.item(tree.children[0])
        self.found += reader.found
        return item

    def _block(self, tokens: list[Token], opening: int) -> Item:
        """A block with a mistake inside: its header, then what it holds, piece by piece."""
        brace = tokens[opening]
        closed = tokens[-1].type == "RBRACE" and _depth(tokens) == 0
        if not closed:
            sentence = "the block is never closed"
            self.found.append(error("RP004", self._span(brace, brace), sentence, help="add `}` where it ends"))
        close = tokens[-1] if closed else Token.new_borrow_pos("RBRACE", "}", brace)
        header = self._item([*tokens[: opening + 1], close])
        inside = self.items(tokens[opening + 1 : -1 if closed else None])
        if not isinstance(header, Block):
            return Broken(self._span(tokens[0], tokens[-1]))
        lost = () if closed else (Broken(self._span(brace, brace)),)
        return Block(header.name, header.arguments, (*inside, *lost), self._span(tokens[0], tokens[-1]))

    def _span(self, first: Token, last: Token) -> Span:
        return Span(self.source, first.start_pos or 0, last.end_pos or 0)


def _depth(tokens: list[Token]) -> int:
    return sum((token.type == "LBRACE") - (token.type == "RBRACE") for token in tokens)


def _pieces(tokens: list[Token]) -> Iterator[list[Token]]:
    """Cut after each `;` or `}` that ends an item.

    Where braces do not balance, a name in the first column also begins an item: a forgotten `}` then costs one block.
    """
    unbalanced = _depth(tokens) > 0
    piece: list[Token] = []
    depth = 0
    for token in tokens:
        if unbalanced and depth > 0 and token.column == 1 and token.type == "NAME":
            yield piece
            piece, depth = [], 0
        piece.append(token)
        if token.type == "LBRACE":
            depth += 1
        elif token.type == "RBRACE":
            depth = max(0, depth - 1)
        if depth == 0 and token.type in ("SEMICOLON", "RBRACE"):
            yield piece
            piece = []
    if piece:
        yield piece


def _too_deep(tokens: list[Token]) -> Token | None:
    """The first token nested too deeply: recursion over the tree stays bounded."""
    depth = negations = 0
    for token in tokens:
        negations = negations + 1 if token.type == "NOT" else 0
        depth += (token.type in ("LBRACE", "LPAR", "LSQB")) - (token.type in ("RBRACE", "RPAR", "RSQB"))
        if depth + negations > MAX_NESTING:
            return token
    return None
