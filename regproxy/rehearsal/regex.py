"""Regular expressions as trees, without groups and without a preference of one match over another."""

from dataclasses import dataclass
from enum import Enum

from regproxy.rehearsal import characters as sets


class At(Enum):
    """Where an assertion holds; values have no line ends, so that a line is the whole value."""

    BEGIN = "begin"
    END = "end"
    BOUNDARY = "boundary"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of a set."""

    set: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """No character, but a place."""

    at: At


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; the empty word when there are none."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """So many times; without `most` without an end."""

    inner: "Node"
    least: int
    most: int | None


Node = Characters | Assertion | Sequence | Choice | Repeat


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression; `beyond` when it may tell characters beyond ASCII apart."""

    node: Node
    beyond: bool = False


def literal(text: str) -> Expression:
    """The expression of one word."""
    parts = tuple(Characters(sets.characters(one) if one.isascii() else 0) for one in text)
    return Expression(Sequence(parts), not text.isascii())


def anywhere(node: Node) -> Node:
    """The words in which a part is of the expression."""
    gap = Repeat(Characters(sets.EVERY), 0, None)
    return Sequence((gap, node, gap))
