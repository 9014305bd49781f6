"""Applying the fixes of findings to the texts in which they lie."""

from collections.abc import Iterable, Mapping

from regproxy.policy.diagnostic import Diagnostic, Edit
from regproxy.policy.source import Source


def fixed(diagnostics: Iterable[Diagnostic]) -> Mapping[Source, str]:
    """The new text of every source that a fix changes.

    The edits of one fix are made all or not at all; of two fixes in the same place the first is made, so that a second
    run finds the other one.
    """
    made: dict[Source, list[Edit]] = {}
    for diagnostic in diagnostics:
        if diagnostic.fix and not any(_touch(edit, other) for edit in diagnostic.fix for other in _all(made, edit)):
            for edit in diagnostic.fix:
                made.setdefault(edit.span.source, []).append(edit)
    return {source: _edited(source.text, edits) for source, edits in made.items()}


def _all(made: Mapping[Source, list[Edit]], edit: Edit) -> list[Edit]:
    return made.get(edit.span.source, [])


def _touch(one: Edit, other: Edit) -> bool:
    """Whether two edits overlap; two insertions in one place do."""
    if one.span.start == other.span.start:
        return True
    return one.span.start < other.span.stop and other.span.start < one.span.stop


def _edited(text: str, edits: list[Edit]) -> str:
    for edit in sorted(edits, key=lambda one: one.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.stop :]
    return text
