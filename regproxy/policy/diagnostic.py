"""Diagnostics as values: a stable code, a place, a sentence and the way out; rendered with line and caret.

Codes: RP0xx syntax, RP1xx names and types, RP2xx patterns, RP3xx security, RP5xx times.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from regproxy.policy.source import Span

MAX_LINE = 160


class Severity(StrEnum):
    """Whether a policy with this finding may run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding; `note` says why the rule exists, `help` what to write instead."""

    code: str
    severity: Severity
    span: Span
    sentence: str
    note: str = ""
    help: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the policy cannot run."""
        return self.severity is Severity.ERROR


def error(code: str, span: Span, sentence: str, *, note: str = "", help: str = "") -> Diagnostic:
    """A finding that stops the policy."""
    return Diagnostic(code, Severity.ERROR, span, sentence, note, help)


def warning(code: str, span: Span, sentence: str, *, note: str = "", help: str = "") -> Diagnostic:
    """A finding that does not stop the policy."""
    return Diagnostic(code, Severity.WARNING, span, sentence, note, help)


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean `x`?`` for a misspelt word, or the choice when it is small, or nothing."""
    names = sorted(set(known))
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= 24 else ""


def render(diagnostic: Diagnostic) -> str:
    """The finding as people read it: headline, place, source line with carets, note and help."""
    span = diagnostic.span
    line, column = span.source.position(span.start)
    source_line = span.source.line(line)
    width = max(1, min(span.stop, span.start + len(source_line) - column + 1) - span.start)
    shown, before = _window(source_line, column - 1)
    carets = "^" * max(1, min(width, len(shown) - before))
    indent = "".join("\t" if c == "\t" else " " for c in shown[:before])
    gutter = " " * len(str(line))
    rows = [
        f"{diagnostic.severity}[{diagnostic.code}]: {visible(diagnostic.sentence)}",
        f"{gutter}--> {visible(span.source.name)}:{line}:{column}",
        f"{gutter} |",
        f"{line} | {visible(shown)}",
        f"{gutter} | {indent}{carets}",
    ]
    if diagnostic.note:
        rows.append(f"{gutter} = note: {visible(diagnostic.note)}")
    if diagnostic.help:
        rows.append(f"{gutter} = help: {visible(diagnostic.help)}")
    return "\n".join(rows) + "\n"


def _window(line: str, at: int) -> tuple[str, int]:
    """The part of a very long line around a column, and the column within it."""
    if len(line) <= MAX_LINE:
        return line, at
    start = max(0, min(at - MAX_LINE // 2, len(line) - MAX_LINE))
    return line[start : start + MAX_LINE], at - start


def visible(text: str) -> str:
    """Text safe to print: control and invisible characters become `?`, so that no policy drives a terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text)
