"""Findings for programs: JSON objects, SARIF 2.1.0 (OASIS) and the workflow commands of GitHub Actions."""

from collections.abc import Iterable
from urllib.parse import quote

from regproxy.policy.codes import CODES
from regproxy.policy.diagnostic import Diagnostic, Severity
from regproxy.policy.source import Span

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def as_object(diagnostic: Diagnostic) -> dict[str, object]:
    """A finding as a JSON object; lines and columns count from 1, `end_column` is the first one after the piece."""
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        **_place(diagnostic.span),
        "sentence": diagnostic.sentence,
        "note": diagnostic.note,
        "help": diagnostic.help,
        "fix": [{**_place(edit.span), "text": edit.text} for edit in diagnostic.fix],
    }


def _place(span: Span) -> dict[str, object]:
    end_line, end_column = span.source.position(span.stop)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end_line,
        "end_column": end_column,
    }


def as_github(diagnostic: Diagnostic) -> str:
    """A workflow command that puts the finding on its line in a pull request."""
    span = diagnostic.span
    parts = [diagnostic.sentence, diagnostic.note, diagnostic.help]
    place = f"file={_property(span.source.name)},line={span.line},col={span.column}"
    message = _data(". ".join(part for part in parts if part))
    return f"::{_GITHUB[diagnostic.severity]} {place},title={diagnostic.code}::{message}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(diagnostics: Iterable[Diagnostic], version: str) -> dict[str, object]:
    """All findings as one SARIF log; `version` is this program's."""
    found = list(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in found})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "fullDescription": {"text": CODES[code].text},
        }
        for code in codes
    ]
    driver = {"name": "regproxy", "version": version, "rules": rules}
    results = [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in found]
    return {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, object]:
    parts = [diagnostic.sentence, diagnostic.note, diagnostic.help]
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": str(diagnostic.severity),
        "message": {"text": ". ".join(part for part in parts if part)},
        "locations": [{"physicalLocation": _physical(diagnostic.span)}],
    }


def _physical(span: Span) -> dict[str, object]:
    end_line, end_column = span.source.position(span.stop)
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": end_line,
        "endColumn": max(end_column, span.column + 1) if end_line == span.line else end_column,
    }
    return {"artifactLocation": {"uri": quote(span.source.name, errors="replace")}, "region": region}
