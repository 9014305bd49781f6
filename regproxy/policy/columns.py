"""Lines of a policy with their columns aligned: first arguments, one-line blocks, definitions, trailing comments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

WIDTH = 120
INDENT = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `tail` begins the aligned column when there is a `head`; `blank` puts an empty line before it.

    Neighbours of the same `kind` are aligned; a comment without code hangs below the comment of the row before.
    """

    level: int
    head: str
    tail: str
    comment: str = ""
    kind: str = ""
    blank: bool = False

    @property
    def code(self) -> str:
        """The line without its comment."""
        text = f"{self.head} {self.tail}" if self.head else self.tail
        return f"{' ' * INDENT * self.level}{text}" if text else ""


def render(rows: list[Row]) -> str:
    """The text; it ends with one line end, unless it is empty."""
    aligned = [row for run in _runs(rows, _alike) for row in _with_column(run)]
    lines = [line for run in _runs(aligned, _commented) for line in _with_comments(run)]
    return "".join(f"{line}\n" for line in lines)


def _runs(rows: list[Row], together: Callable[[Row, Row], bool]) -> Iterator[list[Row]]:
    """Adjacent rows that belong together."""
    run: list[Row] = []
    for row in rows:
        if run and (row.blank or not together(run[0], row)):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _alike(first: Row, row: Row) -> bool:
    return bool(first.kind) and (first.kind, first.level) == (row.kind, row.level)


def _commented(first: Row, row: Row) -> bool:
    return bool(first.comment) and bool(row.comment) and (not row.tail or row.level == first.level)


def _with_column(run: list[Row]) -> list[Row]:
    """The rows with their heads padded, unless that would push one over the width."""
    width = max(len(row.head) for row in run)
    padded = [replace(row, head=row.head.ljust(width)) if row.head else row for row in run]
    pushed = any(len(new.code) > WIDTH >= len(old.code) for old, new in zip(run, padded, strict=True))
    return run if pushed else padded


def _with_comments(run: list[Row]) -> Iterator[str]:
    """The lines of a run, their comments in one column, unless that would push one over the width."""
    column = max(len(row.code) for row in run)
    widths = [(len(row.code) + 2 + len(row.comment), column + 2 + len(row.comment)) for row in run if row.tail]
    pushed = any(aligned > WIDTH >= alone for alone, aligned in widths)
    at = 0
    for row in run:
        at = column if not pushed else len(row.code) if row.tail else at
        yield from [""] * row.blank
        yield f"{row.code:<{at}}  {row.comment}" if row.comment else row.code
