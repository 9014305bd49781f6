"""Values in the words that people read: columns; and sizes, times and digests in brief."""

from collections.abc import Sequence

from regproxy.model.brief import rounded, short, span

__all__ = ["columns", "rounded", "short", "span"]


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows below their head, each column as wide as it must be."""
    lines = [head, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    padded = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(padded)
