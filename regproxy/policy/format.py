"""A policy text in its one layout: tokens are kept, the space between them is ours.

It works on the lexer's tokens, not on the syntax tree: the lexer cannot fail, so a text with mistakes has a layout
too, and no comment is lost. Lines are broken after `;`, `{` and `}`; a block that is written on one line stays there
where it fits; breaks within a statement stay. `columns.py` aligns the lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, pairwise

from regproxy.policy.columns import INDENT, WIDTH, Row, render
from regproxy.policy.parse import MAX_NESTING, every_token
from regproxy.policy.schema import every_block

_CLOSED_UP_BEFORE = frozenset({"SEMICOLON", "COMMA", "RSQB", "RPAR"})
_CLOSED_UP_AFTER = frozenset({"LSQB", "LPAR"})
_BOUNDARIES = frozenset({"SEMICOLON", "LBRACE", "RBRACE"})
_NESTING = {"LSQB": 1, "LPAR": 1, "RSQB": -1, "RPAR": -1}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token that is printed, and how it stood: line and column from 1, `touching` the token before it."""

    type: str
    text: str
    line: int
    column: int
    touching: bool


@dataclass(slots=True)
class _Line:
    """A line to print.

    `item`: a statement or block begins here; `hanging`: its comment goes on from above; `unclosed`: it holds a string
    that is not closed.
    """

    level: int
    blank: bool
    item: bool
    pieces: list[_Piece] = field(default_factory=list)
    comment: str = ""
    hanging: bool = False
    unclosed: bool = False


def formatted(text: str) -> str:
    """The text in its layout; its tokens and comments are the same, and formatting it again changes nothing."""
    pieces = _pieces(text)
    types = [piece.type for piece in pieces]
    layout = _Layout(_one_line_blocks(pieces), unclosed=types.count("LBRACE") > types.count("RBRACE"))
    for at, piece in enumerate(pieces):
        layout.add(at, piece)
    return render([_row(line) for line in layout.lines])


def _pieces(text: str) -> list[_Piece]:
    """All tokens but white space; what reaches to the end of its line loses the white space there."""
    pieces = []
    stop = -1
    for token in every_token(text):
        if token.type != "WHITESPACE":
            printed = token.rstrip(" \t\r") if token.type in ("COMMENT", "BADSTRING") else str(token)
            touching = token.start_pos == stop
            pieces.append(_Piece(token.type, printed, token.line or 0, token.column or 0, touching))
            stop = token.end_pos or 0
    return pieces


def _gap(before: _Piece, after: _Piece) -> str:
    """The space between two tokens of a line."""
    if after.type in _CLOSED_UP_BEFORE or before.type in _CLOSED_UP_AFTER:
        return ""
    # `==`, `&&`, `a/b`: what is no token of the language stays as it was written.
    odd = before.type == after.type == "EQUAL" or "BADCHARACTER" in (before.type, after.type)
    return "" if odd and after.touching and after.type != "LBRACE" else " "


def _one_line_blocks(pieces: list[_Piece]) -> Mapping[int, int]:
    """The `{` of the blocks that stay on one line, each with its `}`."""
    if not pieces:
        return {}
    growth = (len(_gap(before, after)) + len(after.text) for before, after in pairwise(pieces))
    reach = list(accumulate(growth, initial=len(pieces[0].text)))
    blocks: dict[int, int] = {}
    opened: list[tuple[int, int]] = []
    start = 0
    for at, piece in enumerate(pieces):
        if piece.type == "LBRACE":
            opened.append((start, at))
        elif piece.type == "RBRACE" and opened:
            first, brace = opened.pop()
            width = reach[at] - reach[first] + len(pieces[first].text)
            if pieces[first].line == piece.line and INDENT * min(len(opened), MAX_NESTING) + width <= WIDTH:
                blocks[brace] = at
        if piece.type in _BOUNDARIES or (piece.type == "COMMENT" and start == at):
            start = at + 1
    return blocks


class _Layout:
    """Distributes tokens over lines."""

    def __init__(self, one_line_blocks: Mapping[int, int], *, unclosed: bool) -> None:
        self.lines: list[_Line] = []
        self._unclosed = unclosed
        self._one_line_blocks = one_line_blocks
        self._one_line_until = -1
        self._last: _Piece | None = None
        self._last_code = ""
        self._braces = 0
        self._brackets = 0
        self._inside = False

    def add(self, at: int, piece: _Piece) -> None:
        """Take in the next token."""
        last = self._last
        self._last = piece
        if self._unclosed and not self._inside and piece.column == 1 and piece.type != "RBRACE":
            # As the parser does: where a `}` is missing, what begins in the first column is in no block.
            self._braces = 0
        if last is None or self._breaks(at, last, piece):
            self.lines.append(self._line(last, piece))
        line = self.lines[-1]
        if piece.type == "COMMENT":
            line.comment = piece.text
            return
        line.pieces.append(piece)
        line.unclosed = line.unclosed or piece.type == "BADSTRING"
        self._last_code = piece.type
        self._inside = piece.type not in _BOUNDARIES
        self._brackets = max(0, self._brackets + _NESTING.get(piece.type, 0)) if self._inside else 0
        self._braces = max(0, self._braces + (piece.type == "LBRACE") - (piece.type == "RBRACE"))
        self._one_line_until = max(self._one_line_until, self._one_line_blocks.get(at, -1))

    def _breaks(self, at: int, last: _Piece, piece: _Piece) -> bool:
        moved = piece.line != last.line
        if last.type == "COMMENT":
            return True
        if piece.type == "COMMENT" or at <= self._one_line_until:
            return moved
        if moved and self.lines[-1].unclosed:
            # A quote on the line that comes up would close the string.
            return True
        if piece.type == "SEMICOLON":
            return last.type == "LBRACE"
        if piece.type == "LBRACE" and self._inside:
            return False
        return last.type in _BOUNDARIES or piece.type == "RBRACE" or moved

    def _line(self, last: _Piece | None, piece: _Piece) -> _Line:
        return _Line(self._level(piece), self._blank(last, piece), not self._inside, hanging=self._hangs(last, piece))

    def _level(self, piece: _Piece) -> int:
        """How deep a line is indented that begins with this token."""
        level = self._braces - (piece.type == "RBRACE")
        if self._inside and piece.type not in _BOUNDARIES:
            level += max(0, self._brackets - 1) if piece.type in ("RSQB", "RPAR") else max(1, self._brackets)
        return min(max(0, level), MAX_NESTING)

    def _blank(self, last: _Piece | None, piece: _Piece) -> bool:
        """Whether an empty line stays: between items, not at the edges of a block."""
        if last is None or last.type == "LBRACE" or piece.type == "RBRACE" or self._inside:
            return False
        return piece.line - last.line > 1

    def _hangs(self, last: _Piece | None, piece: _Piece) -> bool:
        """Whether a comment goes on below the one behind the line above: it stands in the same column."""
        if last is None or not (last.type == piece.type == "COMMENT") or self._last_code not in ("SEMICOLON", "RBRACE"):
            return False
        above = self.lines[-1]
        return piece.line == last.line + 1 and piece.column == last.column and (above.hanging or bool(above.pieces))


def _row(line: _Line) -> Row:
    """The line as text, cut where its column is aligned."""
    if not line.pieces and not line.hanging:
        return Row(line.level, "", line.comment, blank=line.blank)
    kind, at = _kind(line)
    head, tail = _joined(line.pieces[:at]), _joined(line.pieces[at:])
    return Row(line.level, head, tail, line.comment, kind, line.blank)


def _kind(line: _Line) -> tuple[str, int]:
    """What neighbours share to be aligned, and the token at which the aligned column begins; 0 for none."""
    types = [piece.type for piece in line.pieces]
    if not line.item or not types:
        return "", 0
    if types[-1] == "RBRACE" and "LBRACE" in types:
        brace = types.index("LBRACE")
        return f"block {line.pieces[0].text if brace > 1 else ''}", brace
    if types[-1] != "SEMICOLON" or "LBRACE" in types:
        return "", 0
    if types[2:3] == ["EQUAL"]:
        return "definition", 2
    if line.level == 0:
        return "", 0
    key = 2 if " ".join(piece.text for piece in line.pieces[:2]) in _long_keys() else 1
    return "statement", key if len(types) > key + 1 and _gap(line.pieces[key - 1], line.pieces[key]) else 0


@cache
def _long_keys() -> frozenset[str]:
    """The directives with names of two words."""
    return frozenset(key for block in every_block() for key in block.directives if " " in key)


def _joined(pieces: list[_Piece]) -> str:
    text = "".join(piece.text for piece in pieces[:1])
    return text + "".join(_gap(before, after) + after.text for before, after in pairwise(pieces))
