"""The language as the schema has it: for people to read, and as an object for tools."""

from collections.abc import Iterator, Mapping
from textwrap import wrap

from regproxy.model.decision import FailureClass
from regproxy.policy.block import BlockType, Directive
from regproxy.policy.convert import FAILURE_WORDS, TYPES
from regproxy.policy.definitions import BUILT_IN
from regproxy.policy.literals import BYTES, MILLISECONDS
from regproxy.policy.schema import ATTRIBUTES, OPERATORS, POLICY, VERSION, operators

_WIDTH = 120
_INDENT = 4
_MAX_NAME = 46


def manual() -> str:
    """The whole language on a few screens."""
    built_in = {f"${BUILT_IN.name.text}": BUILT_IN.value.span.text}
    attributes = {name: f"{doc} ({' '.join(operators(name))})" for name, doc in ATTRIBUTES.items()}
    failures = {"error": f"any of {' '.join(FailureClass)}", "5xx": "any of 500 to 599"}
    chapters = [
        f"The policy language, version {VERSION}\n",
        *_blocks(POLICY, "%s"),
        _chapter("match: attributes and their operators, joined by `and`, `or`, `not` and parentheses", attributes),
        _chapter("match: operators", OPERATORS),
        _chapter("types", {name: description for name, (description, _) in TYPES.items()}),
        _chapter("units", {"times": " ".join(reversed(MILLISECONDS)), "sizes": " ".join(BYTES)}),
        _chapter("failures: a class, or a status from 400 to 599", failures),
        _chapter("names: `let NAME = VALUE;` outside of blocks, then `$NAME`; built in", built_in),
    ]
    return "\n".join(chapters)


def as_object() -> dict[str, object]:
    """The whole language as an object for JSON."""
    return {
        "version": VERSION,
        **_block(POLICY),
        "attributes": [
            {"name": name, "doc": doc, "operators": list(operators(name))} for name, doc in ATTRIBUTES.items()
        ],
        "operators": [{"name": name, "doc": doc} for name, doc in OPERATORS.items()],
        "types": [{"name": name, "doc": description} for name, (description, _) in TYPES.items()],
        "units": {"times": list(reversed(MILLISECONDS)), "sizes": list(BYTES)},
        "failures": list(FAILURE_WORDS),
        "names": {BUILT_IN.name.text: BUILT_IN.value.span.text},
    }


def _blocks(type_: BlockType, outer: str) -> Iterator[str]:
    """One chapter for a kind of block, then those inside it; `outer` is what encloses them, `%s` in the middle."""
    header = outer if type_ is POLICY else outer % f"{f'{type_.key} {type_.header or type_.named}'.rstrip()} {{ %s }}"
    where = "outside of blocks" if type_ is POLICY else header.replace(" %s ", " ")
    rows = {"match EXPRESSION": "which requests the tier takes [must be there]"} if type_.has_match else {}
    rows |= {_written(row): _meaning(row, required=row.key == type_.required) for row in type_.directives.values()}
    doc = f"{type_.doc}{'' if type_.once else ' [repeatable]'}"
    between = ": " if len(where) + len(doc) + 2 <= _WIDTH else ":\n  "
    yield _chapter(f"{where}{between}{doc}", rows)
    for inner in type_.blocks.values():
        yield from _blocks(inner, header)


def _written(directive: Directive) -> str:
    return f"{directive.key} {directive.form}".rstrip()


def _meaning(directive: Directive, *, required: bool) -> str:
    facts = [
        *(["must be there"] if required else []),
        *(["repeatable"] if directive.repeatable else []),
        *([f"default {directive.default}"] if directive.default else []),
    ]
    return f"{directive.doc} [{', '.join(facts)}]" if facts else directive.doc


def _chapter(title: str, rows: Mapping[str, str]) -> str:
    """A title, and below it names and what they mean in two columns; a long name has a line of its own."""
    width = min(max(map(len, rows), default=0), _MAX_NAME)
    before = " " * (_INDENT + width + 2)
    lines = [title]
    for name, meaning in rows.items():
        first, *more = wrap(meaning, _WIDTH - len(before))
        alone = len(name) > width
        lines += [f"{' ' * _INDENT}{name}", before + first] if alone else [f"{' ' * _INDENT}{name:<{width}}  {first}"]
        lines += [before + line for line in more]
    return "\n".join(lines) + "\n"


def _block(type_: BlockType) -> dict[str, object]:
    return {
        "key": type_.key,
        "doc": type_.doc,
        "named": type_.named,
        "header": type_.header,
        "repeatable": not type_.once,
        "match": type_.has_match,
        "directives": [
            {
                "key": row.key,
                "form": row.form,
                "doc": row.doc,
                "default": row.default,
                "repeatable": row.repeatable,
                "required": row.key == type_.required,
            }
            for row in type_.directives.values()
        ],
        "blocks": [_block(inner) for inner in type_.blocks.values()],
    }
