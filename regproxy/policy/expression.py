"""`match` expressions: names, operators and patterns checked, then resolved to conditions."""

import contextlib
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import assert_never

from regproxy.model.address import Network, canonical_host, parse_authority
from regproxy.model.oci import Kind
from regproxy.policy.condition import (
    Anything,
    Condition,
    Either,
    Every,
    Not,
    Predicate,
)
from regproxy.policy.diagnostic import Diagnostic, error, nearest, replaced, warning
from regproxy.policy.groups import Groups
from regproxy.policy.lint import looks_wrong
from regproxy.policy.operand import Exactly, FromNetwork, InGroup, Matching, OnHost, OnHostLike, Operand
from regproxy.policy.pattern import Anchor, compile_glob, compile_regex
from regproxy.policy.schema import ATTRIBUTES, METHODS, operators
from regproxy.policy.source import Span
from regproxy.policy.syntax import (
    Always,
    Bad,
    Comparison,
    Conjunction,
    Disjunction,
    Expression,
    Negation,
    Text,
    Value,
    Variable,
    Word,
)

KINDS = tuple(str(kind) for kind in Kind)
MAX_TESTS = 1000
_SHORTER = "write a pattern, or several tiers"


@dataclass(frozen=True, slots=True)
class Names:
    """What expressions may refer to: registry blocks and client groups.

    `complete` is False when a registry block was lost to a mistake.
    """

    registries: Collection[str]
    complete: bool
    groups: Groups = field(default_factory=Groups)


def resolve_match(expression: Expression, names: Names, found: list[Diagnostic]) -> Condition:
    """The condition of a tier; RP005 where it has more tests than anybody can read."""
    count = _count(expression)
    if count > MAX_TESTS:
        found.append(error("RP005", expression.span, f"more than {MAX_TESTS} tests in one match", help=_SHORTER))
        return Anything()
    return resolve(expression, names, found)


def _count(expression: Expression) -> int:
    match expression:
        case Negation(inner):
            return _count(inner)
        case Conjunction(parts) | Disjunction(parts):
            return sum(_count(part) for part in parts)
        case Always():
            return 1
        case Comparison(operands=operands):
            return len(operands)
        case _:
            assert_never(expression)


def resolve(expression: Expression, names: Names, found: list[Diagnostic]) -> Condition:
    """The condition that an expression means; where something is wrong it is reported and replaced by `any`."""
    match expression:
        case Always():
            return Anything()
        case Negation(inner):
            return Not(resolve(inner, names, found))
        case Conjunction(parts):
            return Every(tuple(resolve(part, names, found) for part in parts))
        case Disjunction(parts):
            return Either(tuple(resolve(part, names, found) for part in parts))
        case Comparison():
            return _test(expression, names, found)
        case _:
            assert_never(expression)


def _test(test: Comparison, names: Names, found: list[Diagnostic]) -> Condition:
    attribute = test.attribute.text
    if attribute not in ATTRIBUTES:
        hint = nearest(attribute, ATTRIBUTES)
        found.append(error("RP102", test.attribute.span, f"unknown attribute `{attribute}`", help=hint))
        return Anything()
    allowed = operators(attribute)
    if test.operator not in allowed:
        choice = " or ".join(f"`{operator}`" for operator in allowed)
        sentence = f"`{attribute}` cannot be tested with `{test.operator}`"
        found.append(error("RP108", test.span, sentence, help=f"use {choice}"))
        return Anything()
    values = _values(test.operands)
    if any(isinstance(value, Bad) for value in values):
        return Anything()
    if test.operator == "is" and len(values) != 1:
        hint = f"write `{attribute} in [{', '.join(operand.span.text for operand in test.operands)}]`"
        found.append(error("RP108", test.span, "`is` compares with one value", help=hint))
        return Anything()
    operands: list[Operand] = []
    places: list[Span] = []
    for written in values:
        text = _text(written, found)
        operand = _operand(test, text, written, names, found) if text is not None else None
        if operand is not None:
            operands.append(operand)
            places.append(written.span)
    phrase = f"{attribute} {_operator(test)} {' '.join(value.span.text for value in values)}"
    return Predicate(attribute, test.operator, test.negated, tuple(operands), phrase, tuple(places))


def _values(operands: tuple[Value, ...]) -> tuple[Value, ...]:
    """The operands, with what each `$name` stands for in its place."""
    return tuple(
        value for operand in operands for value in (operand.values if isinstance(operand, Variable) else (operand,))
    )


def _operator(test: Comparison) -> str:
    if not test.negated:
        return test.operator
    return "is not" if test.operator == "is" else f"not {test.operator}"


def _text(operand: Value, found: list[Diagnostic]) -> str | None:
    """The text of an operand: words and strings; numbers are almost always a tag without quotes."""
    match operand:
        case Text(text) | Word(text):
            return text
        case _:
            written = operand.span.text
            fix = replaced(operand.span, f'"{written}"')
            found.append(error("RP108", operand.span, f"`{written}` is not a text", help=f'write "{written}"', fix=fix))
    return None


def _operand(test: Comparison, text: str, operand: Value, names: Names, found: list[Diagnostic]) -> Operand | None:
    """One operand, or None where it was reported."""
    attribute, span = test.attribute.text, operand.span
    if text == "":
        sentence = "an empty text matches nothing: a missing attribute passes no test"
        found.append(error("RP108", span, sentence, help=f'`not {attribute} like "**"` asks for its absence'))
        return None
    match test.operator:
        case "is" | "in":
            return _literal(attribute, text, operand, names, found)
        case "like":
            return _glob(attribute, text, operand, found)
        case _:
            pass
    found += looks_wrong(test.operator, text, span)
    try:
        pattern = compile_regex(text, Anchor.WHOLE if test.operator == "matches" else Anchor.ANYWHERE)
    except ValueError as wrong:
        found.append(
            error(
                "RP201",
                span,
                f"the regular expression is not supported: {wrong}",
                note="patterns are RE2: no look-around, no back-references; matching time is linear in the input",
            )
        )
        return None
    if test.operator == "finds":
        sentence = "`finds` matches anywhere in the value"
        hint = "`matches` takes the whole value, with `.*` where anything may stand"
        found.append(warning("RP205", test.span, sentence, help=hint))
    return Matching(attribute, pattern)


def _glob(attribute: str, text: str, operand: Value, found: list[Diagnostic]) -> Operand | None:
    if attribute == "host" and text == "*":
        sentence = "`*` is one label of a host, so this matches no host with a dot"
        found.append(error("RP208", operand.span, sentence, help='write "**" for every host'))
        return None
    found += looks_wrong("like", text, operand.span)
    plain, _, port = text.rpartition(":") if attribute == "host" and text[-1:].isdigit() else ("", "", "")
    try:
        anchor = Anchor.HOST if attribute == "host" else Anchor.WHOLE
        pattern = compile_glob((plain or text).lower() if attribute == "host" else text, anchor)
    except ValueError as wrong:
        found.append(error("RP207", operand.span, str(wrong)))
        return None
    if plain and port.isdigit():
        return OnHostLike(pattern, port)
    return Matching(attribute, pattern)


def _literal(attribute: str, text: str, operand: Value, names: Names, found: list[Diagnostic]) -> Operand | None:
    span = operand.span
    match attribute:
        case "kind" if text not in KINDS:
            hint = nearest(text, KINDS)
            if text in ("ping", "token"):
                hint = "pings and token requests never reach the tiers"
            found.append(error("RP103", span, f"unknown kind `{text}`", help=hint))
            return None
        case "method" if text not in METHODS:
            meant = text.upper() in METHODS
            hint = f"write `{text.upper()}`" if meant else nearest(text.upper(), METHODS)
            fix = replaced(span, text.upper()) if meant else ()
            found.append(error("RP103", span, f"unknown method `{text}`", help=hint, fix=fix))
            return None
        case "registry" if text not in names.registries:
            if names.complete:
                sentence = f"no registry block is named `{text}`"
                found.append(error("RP105", span, sentence, help=nearest(text, names.registries)))
            return None
        case "client":
            return _client(text, operand, names.groups, found)
        case "host":
            return _host(text, operand, found)
        case _:
            return Exactly(attribute, text)


def _client(text: str, operand: Value, groups: Groups, found: list[Diagnostic]) -> Operand | None:
    """A bare word names a group, a text is a range of addresses."""
    if isinstance(operand, Word):
        group = groups.find(text, operand.span, found)
        return InGroup(group) if group is not None else None
    try:
        network: Network = ipaddress.ip_network(text)
    except ValueError:
        hint = 'write an address or a range like "10.0.0.0/8"'
        with contextlib.suppress(ValueError):
            hint = f'write "{ipaddress.ip_network(text, strict=False)}"'
        if text in groups.named:
            hint = f"write `{text}`, without quotes, for the client-group"
        found.append(error("RP112", operand.span, f'"{text[:60]}" is no range of addresses', help=hint))
        return None
    return FromNetwork(network)


def _host(text: str, operand: Value, found: list[Diagnostic]) -> Operand | None:
    """A host of any port, or with a port that one only."""
    try:
        if text.rpartition(":")[2].isdigit() and (text.count(":") == 1 or text.startswith("[")):
            wanted = parse_authority(text)
            return OnHost(wanted.host, str(wanted.port))
        host = canonical_host(text)
    except ValueError as wrong:
        hint = 'patterns go with `like`: host like "*.gcr.io"' if "*" in text else ""
        found.append(error("RP112", operand.span, str(wrong), help=hint))
        return None
    return OnHost(host)
