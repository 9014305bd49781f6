"""The tiers compiled: every operand is a bit, each attribute is looked at once, and conditions compare masks.

It decides exactly as `condition.holds` does, tier by tier; that is the text, this is the machine.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import attrgetter
from typing import Protocol, assert_never

import re2

from regproxy.model.decision import Decision, PolicyRequest
from regproxy.policy.clients import ClientTable
from regproxy.policy.condition import Anything, Condition, Either, Every, Not, Predicate, possible, predicates
from regproxy.policy.operand import (
    VALUES,
    Exactly,
    FromNetwork,
    InGroup,
    Matching,
    OnHost,
    OnHostLike,
    Operand,
)
from regproxy.policy.pattern import MAX_MEMORY, Anchor, Pattern
from regproxy.policy.tier import Tier

MAX_PATTERNS = 64
MAX_DISPATCHED = 1024
MAX_REMEMBERED = 4096
# With it in every set, an answer without it means that RE2 ran out of memory, which it does not say.
_ALWAYS = "(?s).*"

Bits = Callable[[PolicyRequest], int]
Compiled = Callable[[int], bool]


class _Set(Protocol):
    def Match(self, text: str) -> Sequence[int] | None: ...  # noqa: N802 -- RE2's name


class _TooLarge:
    """Stands for a set that RE2 cannot hold: its patterns are tried one by one."""

    def Match(self, _text: str) -> None:  # noqa: N802 -- RE2's name
        return None


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Many patterns over one attribute, matched in one pass."""

    attribute: str
    patterns: tuple[tuple[Pattern, int], ...]
    compiled: _Set

    @classmethod
    def compile(cls, attribute: str, anchor: Anchor, patterns: Iterable[tuple[Pattern, int]]) -> "PatternSet":
        """Compile patterns of one kind; each has its bit."""
        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        kept = tuple(patterns)
        options.max_mem = MAX_MEMORY * (len(kept) + 1)
        compiled = re2.Set.SearchSet(options) if anchor is Anchor.ANYWHERE else re2.Set.FullMatchSet(options)
        for pattern, _ in kept:
            compiled.Add(pattern.regex)
        compiled.Add(_ALWAYS)
        try:
            compiled.Compile()
        except re2.error:
            return cls(attribute, kept, _TooLarge())
        return cls(attribute, kept, compiled)

    def bits(self, request: PolicyRequest) -> int:
        """The bits of the patterns that match; a missing attribute matches none."""
        value = VALUES[self.attribute](request)
        if not value:
            return 0
        found = self.compiled.Match(value) or ()
        bits = 0
        if len(self.patterns) not in found:
            for pattern, bit in self.patterns:
                bits |= bit if pattern.matches(value) else 0
            return bits
        for index in found:
            if index < len(self.patterns):
                bits |= self.patterns[index][1]
        return bits


class Memory:
    """Remembers the decisions of a matcher, by those fields of a request alone at which some tier looks."""

    def __init__(self, matcher: "Matcher", fields: Iterable[str]) -> None:
        self._matcher = matcher
        self._fields = tuple(fields)
        self._decide = matcher.decide
        # Two names at least, so that the key is always a tuple; the constant costs nothing.
        self._key = attrgetter(*sorted({"kind", "registry", *fields}))
        self._known: dict[object, Decision] = {}

    def emptied(self) -> "Memory":
        """Another one for the same matcher, with nothing in it yet."""
        return Memory(self._matcher, self._fields)

    def decide(self, request: PolicyRequest) -> Decision:
        """The decision, remembered or made; the oldest gives way. Belongs to one thread."""
        key = self._key(request)
        decision = self._known.get(key)
        if decision is None:
            decision = self._decide(request)
            if len(self._known) >= MAX_REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = decision
        return decision


class Matcher:
    """The tiers of one policy, ready to decide."""

    def __init__(self, tiers: tuple[Tier, ...], unmatched: Decision) -> None:
        self._unmatched = unmatched
        operands = dict.fromkeys(
            operand for tier in tiers for predicate in predicates(tier.condition) for operand in predicate.operands
        )
        bits = {operand: 1 << at for at, operand in enumerate(operands)}
        self._sources = tuple(_sources(bits))
        self._compiled = tuple(_compiled(tier.condition, bits) for tier in tiers)
        self._tiers = tiers
        # Not a method of ours: a policy that is replaced must go at once, and not wait in a circle for the collector.
        self._candidates = lru_cache(MAX_DISPATCHED)(partial(_reached, tiers))

    def decide(self, request: PolicyRequest) -> Decision:
        """The decision of the first tier whose condition holds."""
        candidates = self._candidates(request.kind, request.registry)
        bits = 0
        for source in self._sources:
            bits |= source(request)
        for at in candidates:
            if self._compiled[at](bits):
                return self._tiers[at].decision
        return self._unmatched


def _reached(tiers: Sequence[Tier], kind: str, registry: str) -> tuple[int, ...]:
    """The tiers that a request of this kind and registry can reach."""
    request = PolicyRequest(method="", authority="", registry=registry, kind=kind, path="")

    def known(predicate: Predicate) -> bool | None:
        return predicate.holds(request) if predicate.attribute in ("kind", "registry") else None

    return tuple(at for at, tier in enumerate(tiers) if possible(tier.condition, known) is not False)


def _compiled(condition: Condition, bits: Mapping[Operand, int]) -> Compiled:
    """A condition over the bits of all operands."""
    match condition:
        case Anything():
            return lambda _: True
        case Predicate(operands=operands, negated=negated):
            mask = sum({bits[operand] for operand in operands})
            return (lambda found: not found & mask) if negated else (lambda found: bool(found & mask))
        case Not(inner):
            turned = _compiled(inner, bits)
            return lambda found: not turned(found)
        case Every(parts):
            every = tuple(_compiled(part, bits) for part in parts)
            return lambda found: all(part(found) for part in every)
        case Either(parts):
            either = tuple(_compiled(part, bits) for part in parts)
            return lambda found: any(part(found) for part in either)
        case _:
            assert_never(condition)


def _sources(bits: Mapping[Operand, int]) -> Iterable[Bits]:
    """One function for each way to look at a request: dicts for literals and networks, sets for patterns."""
    literals: dict[str, dict[str, int]] = {}
    patterns: dict[tuple[str, Anchor], list[tuple[Pattern, int]]] = {}
    clients = ClientTable()
    for operand, bit in bits.items():
        match operand:
            case Exactly(attribute, text):
                literals.setdefault(attribute, {})[text] = bit
            case Matching(attribute, pattern):
                patterns.setdefault((attribute, pattern.anchor), []).append((pattern, bit))
            case OnHost(host, ""):
                literals.setdefault("host", {})[host] = bit
            case FromNetwork() | InGroup():
                clients.add(operand, bit)
            case OnHost() | OnHostLike():
                yield _single(operand, bit)
            case _:
                assert_never(operand)
    for attribute, table in literals.items():
        yield _looked_up(attribute, table)
    if clients:
        yield clients.bits
    for (attribute, anchor), found in patterns.items():
        for start in range(0, len(found), MAX_PATTERNS):
            yield PatternSet.compile(attribute, anchor, found[start : start + MAX_PATTERNS]).bits


def _single(operand: Operand, bit: int) -> Bits:
    return lambda request: bit if operand.admits(request) else 0


def _looked_up(attribute: str, table: Mapping[str, int]) -> Bits:
    value = VALUES[attribute]
    return lambda request: table.get(value(request), 0)
