"""Blocks against the schema: unknown, repeated and missing names, and arguments of the wrong type."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from regproxy.policy.block import BlockType, Directive
from regproxy.policy.diagnostic import Diagnostic, error, literal_secret, named, nearest, replaced
from regproxy.policy.forms import read
from regproxy.policy.given import Entry, Given
from regproxy.policy.naming import block_name
from regproxy.policy.schema import POLICY
from regproxy.policy.secrecy import NAMES as SECRET_NAMES
from regproxy.policy.source import Span
from regproxy.policy.syntax import Argument, Block, Broken, Item, Let, Match, Statement, Text, Word


@dataclass(slots=True)
class Checked:
    """One block after the check; `complete` is False where something in it was reported."""

    type: BlockType
    name: str
    span: Span
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    blocks: list["Checked"] = field(default_factory=list)
    match: Match | None = None
    complete: bool = True
    named: dict[tuple[str, str], Span] = field(default_factory=dict)
    header: tuple[Given, ...] = ()

    def one(self, key: str) -> Entry | None:
        """The entry of a directive that stands once."""
        found = self.entries.get(key)
        return found[0] if found else None

    def all(self, key: str) -> list[Entry]:
        """The entries of a directive that may be repeated."""
        return self.entries.get(key, [])

    def inner(self, key: str) -> list["Checked"]:
        """The blocks of one type."""
        return [block for block in self.blocks if block.type.key == key]


def check_items(
    type_: BlockType, name: str, span: Span, items: Sequence[Item], found: list[Diagnostic], *, whole: bool = True
) -> Checked:
    """Check what stands in a block; `whole` asks for what the block must have."""
    checked = Checked(type_, name, span)
    before = len(found)
    for item in items:
        match item:
            case Broken():
                checked.complete = False
            case Let(name=word):
                sentence = f"`let` does not belong in {_where(type_)}"
                found.append(error("RP101", word.span, sentence, help="names are defined outside of blocks"))
            case Match():
                _match(checked, item, found)
            case Statement():
                for statement in _statements(type_, item, found):
                    _statement(checked, statement, found)
            case Block():
                _block(checked, item, found)
            case _:
                assert_never(item)
    checked.complete = checked.complete and len(found) == before
    if whole and checked.complete:
        _required(checked, found)
    return checked


def _required(checked: Checked, found: list[Diagnostic]) -> None:
    type_ = checked.type
    if type_.has_match and checked.match is None:
        sentence = f"{type_.key} `{checked.name}` has no `match`"
        found.append(error("RP107", checked.span, sentence, help="`match any;` takes every request"))
    if type_.required and not checked.entries.get(type_.required):
        sentence = f"{type_.key} `{checked.name}` has no `{type_.required}`"
        found.append(error("RP107", checked.span, sentence, help=f'add `{type_.required} "…";`'))


def _match(checked: Checked, item: Match, found: list[Diagnostic]) -> None:
    place = Span(item.span.source, item.span.start, item.span.start + len("match"))
    if not checked.type.has_match:
        found.append(error("RP101", place, f"`match` does not belong in {_where(checked.type)}", help="tiers have it"))
    elif checked.match is not None:
        found.append(error("RP106", place, "a second `match` in the same tier", help="join them with `and` or `or`"))
    else:
        checked.match = item


def _statements(type_: BlockType, item: Statement, found: list[Diagnostic]) -> list[Statement]:
    """The statement, cut in two where a `;` was forgotten before a directive on a later line."""
    starts = {key.split()[0] for key in type_.directives}
    last: Span = item.name.span
    for at, argument in enumerate(item.arguments):
        if isinstance(argument, Word) and argument.text in starts and argument.span.line > last.line:
            sentence = f"missing `;` after `{named(last)}`"
            found.append(error("RP002", last.end, sentence, help="add `;` here", fix=replaced(last.end, ";")))
            first = Statement(item.name, item.arguments[:at], item.name.span.to(last))
            rest = Statement(argument, item.arguments[at + 1 :], argument.span.to(item.span))
            return [first, *_statements(type_, rest, found)]
        last = argument.span
    return [item]


def _statement(checked: Checked, item: Statement, found: list[Diagnostic]) -> None:
    directive, arguments, name = _lookup(checked.type, item)
    if (literal := _literal_secret(item)) is not None:
        found.append(literal)
        return
    if directive is None:
        found.append(_unknown(checked.type, name, item))
        return
    earlier = checked.entries.get(directive.key)
    if earlier and not directive.repeatable:
        found.append(
            error(
                "RP106",
                name,
                f"`{directive.key}` stands twice in {_where(checked.type)}",
                note=f"first on line {earlier[0].span.line}",
                help="keep one",
            )
        )
        return
    reading = read(directive, item, arguments)
    found += reading.found
    if reading.given is None:
        checked.complete = False
    else:
        checked.entries.setdefault(directive.key, []).append(Entry(directive.key, reading.given, item.span))


def _lookup(type_: BlockType, item: Statement) -> tuple[Directive | None, Sequence[Argument], Span]:
    """The directive that a statement names with one word or two."""
    first = item.arguments[0] if item.arguments else None
    if isinstance(first, Word) and (two := type_.directives.get(f"{item.name.text} {first.text}")):
        return two, item.arguments[1:], item.name.span.to(first.span)
    return type_.directives.get(item.name.text), item.arguments, item.name.span


def _literal_secret(item: Statement) -> Diagnostic | None:
    """RP301, wherever it stands: a secret does not become less of one in the wrong block."""
    first = item.arguments[0] if item.arguments else None
    if item.name.text not in SECRET_NAMES or not isinstance(first, Text):
        return None
    name = item.name.text
    return literal_secret(first.span, f'write `{name} file "/run/secrets/{name}";` or `{name} env {name.upper()};`')


def _unknown(type_: BlockType, name: Span, item: Statement) -> Diagnostic:
    written = item.name.text
    two = [key for key in type_.directives if key.startswith(f"{written} ")]
    if two:
        first = item.arguments[0] if item.arguments else None
        choice = " or ".join(f"`{key}`" for key in two)
        if isinstance(first, Word):
            hint = nearest(f"{written} {first.text}", two)
            return error("RP101", name.to(first.span), f"unknown directive `{written} {first.text}`", help=hint)
        return error("RP101", name, f"`{written}` alone says nothing", help=f"write {choice}")
    if written in type_.blocks:
        return error("RP003", name, f"`{written}` is a block", help=f"write `{written} {{ … }}`")
    homes = (block.key for block in type_.blocks.values() for key in block.directives if key.split()[0] == written)
    home = next(homes, "")
    hint = f"write `{home} {{ {written} … }}`" if home else nearest(written, (*type_.directives, *type_.blocks))
    return error("RP101", name, f"unknown directive `{written}` in {_where(type_)}", help=hint)


def _block(checked: Checked, item: Block, found: list[Diagnostic]) -> None:
    type_ = checked.type.blocks.get(item.name.text)
    if type_ is None:
        written = item.name.text
        if written in checked.type.directives:
            sentence = f"`{written}` is a statement, not a block"
            found.append(error("RP003", item.name.span, sentence, help="end it with `;`"))
        else:
            hint = nearest(written, (*checked.type.blocks, *checked.type.directives))
            where = _where(checked.type)
            found.append(error("RP100", item.name.span, f"unknown block `{written}` in {where}", help=hint))
        return
    header: tuple[Given, ...] | None = ()
    if type_.header:
        reading = read(
            Directive(type_.key, type_.header, ""), Statement(item.name, item.arguments, item.name.span), item.arguments
        )
        found += reading.found
        name, header = "", reading.given
    else:
        name = block_name(type_, item, found)
    twin = checked.named.setdefault((type_.key, name), item.name.span)
    if twin is not item.name.span and (type_.once or name):
        called = f"{type_.key} `{name}`" if name else f"`{type_.key}`"
        where = f"first on line {twin.line} of {twin.source.name}"
        found.append(error("RP106", item.name.span, f"{called} stands twice", note=where, help="keep one"))
    place = item.arguments[0].span if item.arguments else item.name.span
    inside = check_items(type_, name, place, item.items, found)
    inside.complete = inside.complete and bool(name or not type_.named) and header is not None
    inside.header = header or ()
    checked.blocks.append(inside)


def _where(type_: BlockType) -> str:
    return "the policy" if type_ is POLICY else f"`{type_.key}`"
