"""A tier's `match`, resolved: a tree of tests over one request, each a pure and total function."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from regproxy.model.decision import PolicyRequest
from regproxy.policy.operand import Operand
from regproxy.policy.source import Span


@dataclass(frozen=True, slots=True)
class Anything:
    """`any`."""


@dataclass(frozen=True, slots=True)
class Predicate:
    """One test: any operand will do; a missing attribute never passes it, so it always passes when `negated`.

    `operator` is one of `is in like matches finds`; `written` is the test as people know it, no part of its value.
    `places` is where the operands are written, one for each, no part of its value either.
    """

    attribute: str
    operator: str
    negated: bool
    operands: tuple[Operand, ...]
    written: str = field(compare=False)
    places: tuple[Span, ...] = field(default=(), compare=False)

    def holds(self, request: PolicyRequest) -> bool:
        """Whether the request passes."""
        return any(operand.admits(request) for operand in self.operands) != self.negated


@dataclass(frozen=True, slots=True)
class Not:
    """`not …`."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class Every:
    """`… and …`."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`… or …`."""

    parts: tuple["Condition", ...]


Condition = Anything | Predicate | Not | Every | Either


def holds(condition: Condition, request: PolicyRequest) -> bool:
    """Whether a request fulfils a condition."""
    match condition:
        case Anything():
            return True
        case Predicate():
            return condition.holds(request)
        case Not(inner):
            return not holds(inner, request)
        case Every(parts):
            return all(holds(part, request) for part in parts)
        case Either(parts):
            return any(holds(part, request) for part in parts)
        case _:
            assert_never(condition)


def possible(condition: Condition, known: Callable[[Predicate], bool | None]) -> bool | None:
    """Three-valued `holds`: `known` says what is certain of a predicate, None when it depends."""
    match condition:
        case Anything():
            return True
        case Predicate():
            return known(condition)
        case Not(inner):
            turned = possible(inner, known)
            return None if turned is None else not turned
        case Every(parts):
            values = [possible(part, known) for part in parts]
            return False if False in values else (None if None in values else True)
        case Either(parts):
            values = [possible(part, known) for part in parts]
            return True if True in values else (None if None in values else False)
        case _:
            assert_never(condition)


def predicates(condition: Condition) -> Iterator[Predicate]:
    """Every test in a condition, in the order written."""
    match condition:
        case Anything():
            return
        case Predicate():
            yield condition
        case Not(inner):
            yield from predicates(inner)
        case Every(parts) | Either(parts):
            for part in parts:
                yield from predicates(part)
        case _:
            assert_never(condition)
