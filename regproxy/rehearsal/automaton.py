r"""Several expressions as one automaton: which of them can hold together, and the shortest word for each such case.

Thompson's construction, then the subsets of states that are reached. Assertions (`^`, `\b`) are resolved when the
next character is known. All expressions go through the same subsets, so that a thousand patterns with different
beginnings cost little more than their characters.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import assert_never

from regproxy.rehearsal import characters as sets
from regproxy.rehearsal import regex
from regproxy.rehearsal.budget import Budget, UndecidedError
from regproxy.rehearsal.regex import At, Characters, Node

MAX_STATES = 60_000
MAX_SUBSETS = 40_000


class _Side(Enum):
    """What stands on one side of a place in a word."""

    EDGE = "edge"
    WORD = "word"
    OTHER = "other"


_Subset = tuple[frozenset[int], _Side]
# The classes of characters that are read, and the state that follows.
_Reading = tuple[tuple[int, ...], int]


@dataclass(slots=True)
class _State:
    """One state: reads a character of `set`, or asks for a place, or just leads on; or accepts the expression `tag`."""

    onward: tuple[int, ...] = ()
    set: int | None = None
    at: At | None = None
    tag: int | None = None


@dataclass(slots=True)
class _Program:
    """The states of all expressions; built from the end, each node before what follows it."""

    states: list[_State] = field(default_factory=list)
    asserting: bool = False

    def add(self, state: _State) -> int:
        if len(self.states) >= MAX_STATES:
            raise UndecidedError
        self.states.append(state)
        return len(self.states) - 1

    def build(self, node: Node, onward: int) -> int:
        """The state where a node begins that leads to `onward`."""
        match node:
            case Characters(found):
                return self.add(_State((onward,), set=found))
            case regex.Assertion(at):
                self.asserting = True
                return self.add(_State((onward,), at=at))
            case regex.Sequence(parts):
                for part in reversed(parts):
                    onward = self.build(part, onward)
                return onward
            case regex.Choice(parts):
                return self.add(_State(tuple(self.build(part, onward) for part in parts)))
            case regex.Repeat(inner, least, most):
                return self._repeat(inner, least, most, onward)
            case _:
                assert_never(node)

    def _repeat(self, inner: Node, least: int, most: int | None, onward: int) -> int:
        if most is None:
            loop = self.add(_State())
            self.states[loop].onward = (self.build(inner, loop), onward)
            onward = loop
        else:
            end = onward
            for _ in range(most - least):
                onward = self.add(_State((self.build(inner, onward), end)))
        for _ in range(least):
            onward = self.build(inner, onward)
        return onward


class Automaton:
    """A universe of words and tests on them.

    `alphabet` has the characters of the universe, the most readable first; a *signature* has one bit for each test.
    Raises UndecidedError when the expressions are too large.
    """

    def __init__(self, universe: Node, tests: Iterable[Node], alphabet: str) -> None:
        program = _Program()
        starts = [self._whole(program, universe, 0)]
        self._universe = len(program.states)
        starts += [self._whole(program, test, tag) for tag, test in enumerate(tests, start=1)]
        self._states = program.states
        self._asserting = program.asserting
        self._start: _Subset = (frozenset(starts), _Side.EDGE)
        self._classes: list[tuple[str, _Side]] = []
        self._class_of: dict[int, int] = {}
        self._divide(alphabet)
        self._read = cache(self._reading)
        self._resolve = cache(self._resolved)

    @staticmethod
    def _whole(program: _Program, node: Node, tag: int) -> int:
        return program.build(node, program.add(_State(tag=tag)))

    def _divide(self, alphabet: str) -> None:
        """Cut the alphabet into classes that no state tells apart; the first character of each stands for it."""
        distinct = sorted({state.set for state in self._states if state.set is not None})
        numbers: dict[tuple[object, ...], int] = {}
        for character in alphabet:
            position = sets.bit(character)
            side = _Side.WORD if self._asserting and sets.WORD >> position & 1 else _Side.OTHER
            told = (side, *(found >> position & 1 for found in distinct))
            if told not in numbers:
                numbers[told] = len(self._classes)
                self._classes.append((character, side))
            self._class_of[position] = numbers[told]

    def _reading(self, found: int) -> tuple[int, ...]:
        """The classes that a set holds, by number."""
        return tuple(at for at, (first, _) in enumerate(self._classes) if found >> sets.bit(first) & 1)

    def _resolved(self, state: int, before: _Side, after: _Side) -> tuple[tuple[_Reading, ...], int]:
        """What is read from one state between two sides of a place, and the bits of what is accepted there."""
        holding = {
            At.BEGIN: before is _Side.EDGE,
            At.END: after is _Side.EDGE,
            At.BOUNDARY: (before is _Side.WORD) != (after is _Side.WORD),
            At.INSIDE: (before is _Side.WORD) == (after is _Side.WORD),
        }
        reading: list[_Reading] = []
        accepted, seen, left = 0, {state}, [state]
        while left:
            one = self._states[left.pop()]
            if one.tag is not None:
                accepted |= 1 << one.tag
            if one.set is not None:
                reading.append((self._read(one.set), one.onward[0]))
            elif one.at is None or holding[one.at]:
                left += [target for target in one.onward if target not in seen]
                seen.update(one.onward)
        return tuple(reading), accepted

    def _moves(self, subset: _Subset, budget: Budget) -> Iterator[tuple[int, _Subset]]:
        """Where each class leads, as long as a word of the universe can still come of it."""
        states, before = subset
        targets: dict[int, set[int]] = {}
        for after in (_Side.WORD, _Side.OTHER) if self._asserting else (_Side.OTHER,):
            for state in states:
                reading, _ = self._resolve(state, before, after)
                budget.spend(1 + sum(len(classes) for classes, _ in reading))
                for classes, target in reading:
                    for one in classes:
                        if self._classes[one][1] is after:
                            targets.setdefault(one, set()).add(target)
        for one in sorted(targets):
            if any(state < self._universe for state in targets[one]):
                side = self._classes[one][1] if self._asserting else _Side.EDGE
                yield one, (frozenset(targets[one]), side)

    def _accepted(self, subset: _Subset) -> int | None:
        """The signature of the words that end here; None when they are not of the universe."""
        found = 0
        for state in subset[0]:
            found |= self._resolve(state, subset[1], _Side.EDGE)[1]
        return found >> 1 if found & 1 else None

    @property
    def size(self) -> int:
        """How many states it has."""
        return len(self._states)

    def words(self, longest: int, budget: Budget) -> Mapping[int, str]:
        """The shortest word of the universe for each signature that one of at most `longest` characters has.

        Raises UndecidedError when there are too many subsets.
        """
        found: dict[int, str] = {}
        for subset, word in self._reached(longest, budget).items():
            signature = self._accepted(subset)
            if signature is not None:
                found.setdefault(signature, word)
        return found

    def cover(self, budget: Budget) -> Collection[str]:
        """A shortest word for each subset that is reached: between them they show the most of what is told apart."""
        return self._reached(MAX_SUBSETS, budget).values()

    def _reached(self, longest: int, budget: Budget) -> Mapping[_Subset, str]:
        """The subsets that words lead to, each with the first of the shortest that does, in order of length."""
        reached = {self._start: ""}
        left = deque([self._start])
        while left:
            subset = left.popleft()
            word = reached[subset]
            if len(word) == longest:
                continue
            for one, target in self._moves(subset, budget):
                if target not in reached:
                    if len(reached) == MAX_SUBSETS:
                        raise UndecidedError
                    reached[target] = word + self._classes[one][0]
                    left.append(target)
        return reached

    def signature(self, word: str, budget: Budget) -> int | None:
        """The signature of a word; None when it is not of the universe. The word is made of the alphabet."""
        subset = self._start
        for character in word:
            moves = dict(self._moves(subset, budget))
            target = moves.get(self._class_of.get(sets.bit(character), -1))
            if target is None:
                return None
            subset = target
        return self._accepted(subset)
