"""Patterns: globs and regular expressions, all compiled to RE2, so that matching time is linear in the input.

A glob matches the whole value: `*` stops at `/` (in hosts it is within one label), `**` stops at nothing, `?` is one
character, `[a-z]` a class, `{a,b}` a choice.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import re2

MAX_PATTERN = 1000
MAX_MEMORY = 1 << 20


class Anchor(Enum):
    """How a pattern is applied: the whole value, the whole host, or anywhere in the value."""

    WHOLE = "whole"
    HOST = "host"
    ANYWHERE = "anywhere"


class _Compiled(Protocol):
    def fullmatch(self, text: str) -> object | None: ...

    def search(self, text: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern, the text it was written as, and the regular expression that it means."""

    text: str
    anchor: Anchor
    regex: str
    compiled: _Compiled = field(compare=False, repr=False)

    def matches(self, value: str) -> bool:
        """Whether the pattern matches."""
        found = self.compiled.search(value) if self.anchor is Anchor.ANYWHERE else self.compiled.fullmatch(value)
        return found is not None


def compile_regex(text: str, anchor: Anchor = Anchor.WHOLE) -> Pattern:
    """A regular expression; raises ValueError in one sentence when RE2 does not have it."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    return Pattern(text, anchor, text, _compile(text))


def compile_glob(text: str, anchor: Anchor = Anchor.WHOLE) -> Pattern:
    """A glob over the whole value; raises ValueError in one sentence."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    regex = glob_regex(text, "." if anchor is Anchor.HOST else "/")
    return Pattern(text, anchor, regex, _compile(regex))


def _compile(regex: str) -> _Compiled:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MAX_MEMORY
    try:
        compiled: _Compiled = re2.compile(regex, options)
    except re2.error as wrong:
        message = wrong.args[0]
        raise ValueError(message.decode(errors="replace") if isinstance(message, bytes) else str(message)) from wrong
    except UnicodeError as wrong:
        raise ValueError("the pattern is not valid Unicode") from wrong
    return compiled


_GLOB = re.compile(r"\*\*|\*|\?|\[[!^]?[^\[\]/\\]+\]|[{},]|[^*?{},]", re.DOTALL)


def glob_regex(text: str, separator: str) -> str:
    """The regular expression that a glob means; raises ValueError for braces or brackets that do not close."""
    one = f"[^{re.escape(separator)}]"
    parts: list[str] = []
    depth = 0
    tokens = _GLOB.findall(text)
    for at, token in enumerate(tokens):
        match token:
            case "**":
                parts.append(".*")
            case "*":
                label = separator == "." and _edge(tokens, at - 1, separator) and _edge(tokens, at + 1, separator)
                parts.append(f"{one}{'+' if label else '*'}")
            case "?":
                parts.append(one)
            case "{":
                depth += 1
                parts.append("(?:")
            case "}" if depth:
                depth -= 1
                parts.append(")")
            case "," if depth:
                parts.append("|")
            case "[" | "]":
                raise ValueError(f"`{token}` is not closed in the pattern `{text[:60]}`")
            case _ if len(token) > 1:
                negated = token[1] in "!^"
                parts.append(f"[^{re.escape(separator)}{token[2:]}" if negated else token)
            case "}":
                raise ValueError(f"`}}` without `{{` in the pattern `{text[:60]}`")
            case _:
                parts.append(re.escape(token))
    if depth:
        raise ValueError(f"`{{` is not closed in the pattern `{text[:60]}`")
    return "".join(parts)


def _edge(tokens: list[str], at: int, separator: str) -> bool:
    """Whether a label begins or ends there."""
    return not 0 <= at < len(tokens) or tokens[at] == separator
