"""What the schema is made of: directives with the form of their arguments, and the blocks that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Directive:
    """One statement: its key (one or two words), the form of its arguments, what it means."""

    key: str
    form: str
    doc: str
    default: str = ""
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class BlockType:
    """One kind of block; `once` blocks stand at most once in their parent.

    `named` says how its name is written: empty, it has none; NAME, a bare word; SENTENCE, a string. A `header` is the
    form of what stands there instead of a name.
    """

    key: str
    doc: str
    directives: Mapping[str, Directive] = field(default_factory=dict)
    blocks: Mapping[str, "BlockType"] = field(default_factory=dict)
    named: Literal["", "NAME", "SENTENCE"] = ""
    once: bool = True
    has_match: bool = False
    required: str = ""
    header: str = ""


def directives(*rows: Directive) -> Mapping[str, Directive]:
    """A table of directives by their keys."""
    return {row.key: row for row in rows}


def blocks(*rows: BlockType) -> Mapping[str, BlockType]:
    """A table of blocks by their keys."""
    return {row.key: row for row in rows}
