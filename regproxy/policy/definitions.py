"""`let name = value;`: what `$name` stands for, from the definition on."""

from dataclasses import dataclass, replace
from typing import assert_never

from regproxy.policy.diagnostic import Diagnostic, error, literal_secret, nearest, warning
from regproxy.policy.secrecy import NAMES as SECRET_NAMES
from regproxy.policy.source import Source, Span
from regproxy.policy.syntax import (
    Always,
    Argument,
    Bad,
    Block,
    Broken,
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    Integer,
    Item,
    Let,
    List,
    Match,
    Negation,
    Statement,
    Statuses,
    Text,
    Value,
    Variable,
    Word,
)

_OUTAGE = Source("built-in", "let outage = [error, 429, 5xx];")
MAX_VALUES = 1000


def _outage() -> Let:
    text = _OUTAGE.text
    places = {word: Span(_OUTAGE, text.index(word), text.index(word) + len(word)) for word in ("error", "429", "5xx")}
    items = (Word("error", places["error"]), Integer(429, places["429"]), Statuses(5, places["5xx"]))
    return Let(Word("outage", Span(_OUTAGE, 4, 10)), List(items, Span(_OUTAGE, 13, len(text) - 1)), Span(_OUTAGE, 0, 0))


BUILT_IN = _outage()


@dataclass(frozen=True, slots=True)
class _Definition:
    name: Span
    values: tuple[Value, ...]


class Definitions:
    """The names defined so far in one policy; what is wrong with them goes to `found`."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self._found = found
        self._known: dict[str, _Definition] = {}
        self._used: set[str] = set()
        self.define(BUILT_IN)
        self._used.add(BUILT_IN.name.text)

    def define(self, let: Let) -> None:
        """Take in a definition; its value may use what was defined before."""
        name = let.name.text
        earlier = self._known.get(name)
        if earlier is not None:
            built_in = earlier.name.source is _OUTAGE
            note = "it is built in" if built_in else f"first on line {earlier.name.line} of {earlier.name.source.name}"
            self._found.append(error("RP106", let.name.span, f"`${name}` is defined twice", note=note, help="keep one"))
            return
        if name in SECRET_NAMES and isinstance(let.value, Text):
            self._found.append(literal_secret(let.value.span))
        values = _flat(self._argument(let.value))
        if len(values) > MAX_VALUES:
            sentence = f"`${name}` has more than {MAX_VALUES} values"
            self._found.append(error("RP005", let.name.span, sentence, help="write a pattern instead"))
            values = ()
        self._known[name] = _Definition(let.name.span, values or (Bad(let.value.span),))

    def resolve(self, item: Item) -> Item:
        """The item with every `$name` known by value; an undefined one is reported and counts as read."""
        match item:
            case Statement():
                return replace(item, arguments=tuple(self._argument(one) for one in item.arguments))
            case Block():
                arguments = tuple(self._argument(one) for one in item.arguments)
                return replace(item, arguments=arguments, items=tuple(self.resolve(one) for one in item.items))
            case Match():
                return replace(item, expression=self._expression(item.expression))
            case Let() | Broken():
                return item
            case _:
                assert_never(item)

    def unused(self) -> None:
        """RP114: report the names that nothing used."""
        for name, definition in self._known.items():
            if name not in self._used:
                sentence = f"`${name}` is never used"
                self._found.append(warning("RP114", definition.name, sentence, help="use it or remove it"))

    def _argument(self, argument: Argument) -> Argument:
        if isinstance(argument, List):
            return replace(argument, items=tuple(self._value(one) for one in argument.items))
        return self._value(argument)

    def _value(self, value: Value) -> Value:
        if not isinstance(value, Variable):
            return value
        known = self._known.get(value.name)
        if known is None:
            hint = nearest(f"${value.name}", [f"${name}" for name in self._known])
            note = "a name is known from its `let` on; in quotes a `$` is a dollar"
            self._found.append(error("RP104", value.span, f"undefined name `${value.name}`", note=note, help=hint))
            return Bad(value.span)
        self._used.add(value.name)
        return replace(value, values=known.values)

    def _expression(self, expression: Expression) -> Expression:
        match expression:
            case Always():
                return expression
            case Negation(inner):
                return replace(expression, inner=self._expression(inner))
            case Conjunction(parts) | Disjunction(parts):
                return replace(expression, parts=tuple(self._expression(part) for part in parts))
            case Comparison(operands=operands):
                return replace(expression, operands=tuple(self._value(one) for one in operands))
            case _:
                assert_never(expression)


def _flat(argument: Argument) -> tuple[Value, ...]:
    """The values of an argument; a name stands for its own values."""
    items = argument.items if isinstance(argument, List) else (argument,)
    return tuple(value for item in items for value in (item.values if isinstance(item, Variable) else (item,)))
