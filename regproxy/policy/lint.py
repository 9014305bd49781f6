"""Warnings: what is allowed but probably not meant."""

import re
from collections.abc import Iterator

from regproxy.policy.diagnostic import Diagnostic, warning
from regproxy.policy.source import Span

_ONLY_GLOB = re.compile(r"[\w./-]*\*[\w./-]*\Z")
_DOTTED_NUMBER = re.compile(r"[0-9]\.[0-9]")


def looks_wrong(operator: str, text: str, span: Span) -> Iterator[Diagnostic]:
    """A glob where a regular expression stands, or the other way round."""
    if operator == "like":
        if re.search(r"\\[dwsb.]|\.\*|\.\+|[$^|]|\(\?", text):
            hint = f"write `matches '{text}'`" if "'" not in text else "write `matches`"
            yield warning("RP207", span, "this glob looks like a regular expression", help=hint)
        return
    if _ONLY_GLOB.match(text) and ".*" not in text:
        yield warning("RP202", span, "this regular expression looks like a glob", help=f'write `like "{text}"`')
    elif _DOTTED_NUMBER.search(text):
        sentence = "`.` between digits matches every character"
        yield warning("RP203", span, sentence, help=r"write `\.` for a dot")
