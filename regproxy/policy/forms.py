"""Reading a statement's arguments by the form that the schema gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from regproxy.policy.block import Directive
from regproxy.policy.convert import TYPES, forever
from regproxy.policy.diagnostic import Diagnostic, error, named, nearest
from regproxy.policy.given import Given
from regproxy.policy.source import Span
from regproxy.policy.syntax import Argument, Bad, List, Statement, Value, Variable, Word


@dataclass(frozen=True, slots=True)
class _Part:
    """One place in a form: a fixed word, or a choice of types and words."""

    choices: tuple[str, ...]
    many: bool
    optional: bool

    @property
    def fixed(self) -> bool:
        """Whether it is one word that carries no information."""
        return len(self.choices) == 1 and self.choices[0] not in TYPES

    @property
    def described(self) -> str:
        """What may stand here, in words."""
        return " or ".join(TYPES[choice][0] if choice in TYPES else f"`{choice}`" for choice in self.choices)


@cache
def _parts(form: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    for word in form.split():
        # What follows in the brackets must be there once their first word is.
        optional = word.startswith("[")
        bare = word.strip("[]")
        many = "..." in bare
        parts.append(_Part(tuple(bare.replace("...", "").split("|")), many, optional))
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a statement's arguments: typed, fixed words left out; `given` is None where one was wrong."""

    given: tuple[Given, ...] | None
    found: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _Written:
    """One value, and the `$name` by which it came, if any."""

    value: Value
    variable: Variable | None = None

    @property
    def span(self) -> Span:
        """Where the statement itself says it."""
        return self.variable.span if self.variable is not None else self.value.span

    @property
    def words(self) -> str:
        """The value as a sentence names it."""
        short = f"`{named(self.value.span)}`"
        return f"{short} (`${self.variable.name}`)" if self.variable is not None else short


def read(directive: Directive, statement: Statement, arguments: Sequence[Argument]) -> Reading:
    """Read all arguments; a wrong one is reported and the next one is read all the same."""
    values = _flat(arguments)
    given: list[Given] = []
    found: list[Diagnostic] = []
    sound = True
    at = 0
    for part in _parts(directive.form):
        if at == len(values):
            if part.optional:
                break
            sentence = f"`{directive.key}` needs {part.described}"
            found.append(error("RP108", statement.span, sentence, help=usage(directive)))
            return Reading(None, tuple(found))
        first = at
        while at < len(values) and (at == first or (part.many and not _ends(part, values[at].value, directive))):
            one = _one(part, values[at])
            at += 1
            if isinstance(one, Diagnostic):
                found.append(one)
                if part.fixed:
                    return Reading(None, tuple(found))
            elif one is None:
                sound = False
            else:
                given += one
    if at < len(values) and sound and not isinstance(values[at].value, Bad):
        found.append(_too_many(directive, values[at]))
    return Reading(tuple(given) if sound and not found else None, tuple(found))


def _flat(arguments: Sequence[Argument]) -> list[_Written]:
    """Lists are the same as their elements one after the other, and so is what a `$name` stands for."""
    written: list[_Written] = []
    for argument in arguments:
        for value in argument.items if isinstance(argument, List) else (argument,):
            if isinstance(value, Variable):
                written += [_Written(one, value) for one in value.values]
            else:
                written.append(_Written(value))
    return written


def _ends(part: _Part, value: Value, directive: Directive) -> bool:
    """Whether a repeated place ends before this value: the next fixed word begins there."""
    parts = _parts(directive.form)
    following = parts[parts.index(part) + 1 :]
    return bool(following) and isinstance(value, Word) and value.text in following[0].choices


def _one(part: _Part, written: _Written) -> tuple[Given, ...] | Diagnostic | None:
    """One value in one place; None where it was reported as it was read."""
    value = written.value
    if isinstance(value, Bad):
        return None
    if isinstance(value, Word) and value.text in part.choices:
        return () if part.fixed else (forever(value) or value,)
    for choice in part.choices:
        if choice in TYPES:
            converted = TYPES[choice][1](value)
            if isinstance(converted, Diagnostic):
                return converted
            if converted is not None:
                return (converted,)
    words = [choice for choice in part.choices if choice not in TYPES]
    hint = nearest(value.text, words) if isinstance(value, Word) and words else ""
    if part.fixed and not hint:
        hint = f"write {part.described} before it"
    return error("RP108", written.span, f"expected {part.described}, found {written.words}", help=hint)


def _too_many(directive: Directive, written: _Written) -> Diagnostic:
    if not directive.form:
        return error("RP108", written.span, f"`{directive.key}` takes no argument", help="remove it")
    sentence = f"{written.words} is more than `{directive.key}` takes"
    return error("RP108", written.span, sentence, help=usage(directive))


def usage(directive: Directive) -> str:
    """How the directive is written."""
    return f"write `{f'{directive.key} {directive.form}'.strip()};`"
