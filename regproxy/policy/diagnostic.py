"""Diagnostics as values: a stable code, a place, a sentence and the way out; rendered with line and caret.

Codes: RP0xx syntax, RP1xx names and types, RP2xx patterns, RP3xx security, RP4xx reachability, RP5xx times and limits,
RP6xx style, RP7xx a policy's own tests; `codes.py` says more about each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from regproxy.policy.secrecy import masked, without_secrets
from regproxy.policy.source import Source, Span

MAX_LINE = 160
MAX_WORD = 64
MAX_NAMED = 40


class Severity(StrEnum):
    """Whether a policy with this finding may run, and how much it matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` where `span` is."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding; `note` says why the rule exists, `help` what to write instead, `fix` does it where that is sure."""

    code: str
    severity: Severity
    span: Span
    sentence: str
    note: str = ""
    help: str = ""
    fix: tuple[Edit, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether the policy cannot run."""
        return self.severity is Severity.ERROR


def error(
    code: str, span: Span, sentence: str, *, note: str = "", help: str = "", fix: tuple[Edit, ...] = ()
) -> Diagnostic:
    """A finding that stops the policy."""
    return _shown(Diagnostic(code, Severity.ERROR, span, sentence, note, help, fix))


def warning(
    code: str, span: Span, sentence: str, *, note: str = "", help: str = "", fix: tuple[Edit, ...] = ()
) -> Diagnostic:
    """A finding that does not stop the policy."""
    return _shown(Diagnostic(code, Severity.WARNING, span, sentence, note, help, fix))


def note(
    code: str, span: Span, sentence: str, *, note: str = "", help: str = "", fix: tuple[Edit, ...] = ()
) -> Diagnostic:
    """A finding that is worth knowing, shown when asked for."""
    return _shown(Diagnostic(code, Severity.NOTE, span, sentence, note, help, fix))


def _shown(diagnostic: Diagnostic) -> Diagnostic:
    """The finding, with no literal secret of its policy in its words."""
    text = diagnostic.span.source.text
    return replace(
        diagnostic,
        sentence=without_secrets(diagnostic.sentence, text),
        note=without_secrets(diagnostic.note, text),
        help=without_secrets(diagnostic.help, text),
    )


def named(span: Span) -> str:
    """A piece of a policy as a sentence names it: short, and with no literal secret of the file in which it stands."""
    text = without_secrets(span.text, span.source.text)
    return text if len(text) <= MAX_NAMED else f"{text[:MAX_NAMED]}…"


def literal_secret(span: Span, help: str = "") -> Diagnostic:
    """RP301: a secret stands in the policy itself."""
    why = "the policy is printed, compared and logged; a secret must not be in it"
    return error("RP301", span, "a secret is written in the policy", note=why, help=help)


def replaced(span: Span, text: str) -> tuple[Edit, ...]:
    """The fix that writes `text` where `span` is."""
    return (Edit(span, text),)


# What people write who know other programs.
_MEANT = {
    "repository": "repo", "image": "repo", "name": "repo", "reference": "ref", "version": "tag", "ip": "client",
    "address": "client", "source": "client", "verb": "method", "url": "path", "uri": "path", "domain": "host",
    "layer": "blob", "layers": "blob", "config": "blob", "index": "manifest", "refused": "connect",
    "unreachable": "connect", "certificate": "tls", "slow": "timeout", "ttl": "fresh", "max-age": "fresh",
    "grace": "stale if-error", "cache-for": "fresh", "bypass": "pass", "block": "deny", "forbid": "deny",
}  # fmt: skip


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean `x`?`` for a misspelt word or one of another language, the choice when it is small, or nothing."""
    names = sorted(set(known))
    if (meant := _MEANT.get(word.lower())) in names:
        return f"did you mean `{meant}`?"
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6) if len(word) <= MAX_WORD else []
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= 24 else ""


Paint = Callable[[str, str], str]


def plain(_style: str, text: str) -> str:
    """No colour: the `paint` of files and pipes."""
    return text


def render(diagnostic: Diagnostic, paint: Paint = plain) -> str:
    """The finding as people read it: headline, place, source line with carets, note and help.

    `paint` colours a piece of text by its style: a severity, `place`, `caret`, `label` or `bold`.
    """
    span = diagnostic.span
    line, column = span.source.position(span.start)
    source_line = Source(span.source.name, masked(span.source.text)).line(line)
    width = max(1, min(span.stop, span.start + len(source_line) - column + 1) - span.start)
    shown, before = _window(source_line, column - 1)
    carets = "^" * max(1, min(width, len(shown) - before))
    indent = "".join("\t" if c == "\t" else " " for c in shown[:before])
    gutter = " " * len(str(line))
    bar = paint("place", "|")
    head = paint(str(diagnostic.severity), f"{diagnostic.severity}[{diagnostic.code}]")
    rows = [
        f"{head}: {paint('bold', visible(diagnostic.sentence))}",
        f"{gutter}{paint('place', '-->')} {visible(span.source.name)}:{line}:{column}",
        f"{gutter} {bar}",
        f"{paint('place', str(line))} {bar} {visible(shown)}",
        f"{gutter} {bar} {indent}{paint('caret', carets)}",
    ]
    if diagnostic.note:
        rows.append(f"{gutter} = {paint('label', 'note')}: {visible(diagnostic.note)}")
    if diagnostic.help:
        rows.append(f"{gutter} = {paint('label', 'help')}: {visible(diagnostic.help)}")
    return "\n".join(rows) + "\n"


def in_brief(diagnostics: Iterable[Diagnostic]) -> tuple[str, ...]:
    """The findings in a line each, for logs: errors, then warnings, no notes."""
    shown = [one for one in diagnostics if one.severity is not Severity.NOTE]
    return tuple(_brief(one) for one in sorted(shown, key=lambda one: not one.is_error))


def _brief(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    place = f"{span.source.name}:{span.line}:{span.column}"
    way = f" ({diagnostic.help})" if diagnostic.help else ""
    return visible(f"{diagnostic.severity}[{diagnostic.code}] {place}: {diagnostic.sentence}{way}")


def _window(line: str, at: int) -> tuple[str, int]:
    """The part of a very long line around a column, and the column within it."""
    if len(line) <= MAX_LINE:
        return line, at
    start = max(0, min(at - MAX_LINE // 2, len(line) - MAX_LINE))
    return line[start : start + MAX_LINE], at - start


def visible(text: str) -> str:
    """Text safe to print: control and invisible characters become `?`, so that no policy drives a terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text)
