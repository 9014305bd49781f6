"""The syntax tree: what was written and where, before any name or type is checked."""

from dataclasses import dataclass

from regproxy.policy.source import Span


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string, escapes resolved."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Duration:
    """A time with its unit, in seconds."""

    seconds: float
    span: Span


@dataclass(frozen=True, slots=True)
class Size:
    """A size with its unit, in bytes."""

    count: int
    span: Span


@dataclass(frozen=True, slots=True)
class Percent:
    """A percentage, as a share of one."""

    share: float
    span: Span


@dataclass(frozen=True, slots=True)
class Frequency:
    """So many in each span of so many seconds: `180/6h`."""

    count: int
    seconds: float
    span: Span


@dataclass(frozen=True, slots=True)
class Statuses:
    """A class of statuses: 5 for `5xx`."""

    hundreds: int
    span: Span


@dataclass(frozen=True, slots=True)
class Integer:
    """A number without a unit."""

    number: int
    span: Span


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`; `values` are what it stands for, each with the place of its definition."""

    name: str
    span: Span
    values: tuple["Value", ...] = ()


@dataclass(frozen=True, slots=True)
class Bad:
    """Something that is no value; it was reported when it was read."""

    span: Span


Value = Word | Text | Duration | Size | Percent | Frequency | Statuses | Integer | Variable | Bad


@dataclass(frozen=True, slots=True)
class List:
    """`[a, b]`."""

    items: tuple[Value, ...]
    span: Span


Argument = Value | List


@dataclass(frozen=True, slots=True)
class Always:
    """`any`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Negation:
    """`not …`."""

    inner: "Expression"
    span: Span


@dataclass(frozen=True, slots=True)
class Conjunction:
    """`… and …`."""

    parts: tuple["Expression", ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Disjunction:
    """`… or …`."""

    parts: tuple["Expression", ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Comparison:
    """`attribute operator operand`; the operator is `is in like matches finds`, turned round by `negated`."""

    attribute: Word
    operator: str
    negated: bool
    operands: tuple[Value, ...]
    span: Span


Expression = Always | Negation | Conjunction | Disjunction | Comparison


@dataclass(frozen=True, slots=True)
class Statement:
    """`name argument… ;`."""

    name: Word
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value;`."""

    name: Word
    value: Argument
    span: Span


@dataclass(frozen=True, slots=True)
class Match:
    """`match expression;`."""

    expression: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """`name argument… { … }`."""

    name: Word
    arguments: tuple[Argument, ...]
    items: tuple["Item", ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Broken:
    """An item that could not be parsed and was reported; what it would have said is unknown."""

    span: Span


Item = Statement | Let | Match | Block | Broken
