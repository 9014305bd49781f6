"""The names of blocks: none, a bare word, or a sentence."""

import re

from regproxy.policy.block import BlockType
from regproxy.policy.diagnostic import Diagnostic, error, replaced
from regproxy.policy.syntax import Argument, Bad, Block, List, Text, Word

MAX_SENTENCE = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[-.]+[A-Za-z0-9_]+)*\Z")


def block_name(type_: BlockType, item: Block, found: list[Diagnostic]) -> str:
    """The name of a named block; empty where there is none or it was reported."""
    if not type_.named:
        if item.arguments:
            found.append(error("RP108", item.arguments[0].span, f"`{type_.key}` takes no name", help="remove it"))
        return ""
    if not item.arguments:
        written = "NAME" if type_.named == "NAME" else '"what it shows"'
        hint = f"write `{type_.key} {written} {{`"
        found.append(error("RP108", item.name.span, f"`{type_.key}` needs a name", help=hint))
        return ""
    first, *rest = item.arguments
    if isinstance(first, Bad):
        return ""
    name = _word(type_, first, found) if type_.named == "NAME" else _sentence(type_, first, found)
    if rest:
        found.append(error("RP108", rest[0].span, f"a {type_.key} has one name", help="remove what follows it"))
    return name


def _word(type_: BlockType, first: Argument, found: list[Diagnostic]) -> str:
    if isinstance(first, Word):
        return first.text
    if isinstance(first, List):
        found.append(error("RP108", first.span, f"the name of a {type_.key} is one word"))
    else:
        hint = f"write `{type_.key} {first.text}`" if isinstance(first, Text) else "a name begins with a letter"
        fix = replaced(first.span, first.text) if isinstance(first, Text) and _NAME.match(first.text) else ()
        found.append(error("RP108", first.span, f"the name of a {type_.key} is a bare word", help=hint, fix=fix))
    return ""


def _sentence(type_: BlockType, first: Argument, found: list[Diagnostic]) -> str:
    if not isinstance(first, Text):
        hint = f'write `{type_.key} "{first.text}"`' if isinstance(first, Word) else 'like "a release survives a limit"'
        fix = replaced(first.span, f'"{first.text}"') if isinstance(first, Word) else ()
        sentence = f'the name of a {type_.key} is a sentence in "…"'
        found.append(error("RP108", first.span, sentence, help=hint, fix=fix))
    elif not (0 < len(first.text) <= MAX_SENTENCE and first.text.isprintable()):
        sentence = f"the name of a {type_.key} is printable, 1 to {MAX_SENTENCE} characters"
        found.append(error("RP108", first.span, sentence))
    else:
        return first.text
    return ""
