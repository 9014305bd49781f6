"""Warnings: what is allowed but probably not meant."""

import re
from collections.abc import Iterator

from regproxy.policy.diagnostic import Diagnostic, replaced, warning
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
    if operator == "matches" and (bare := _without_anchors(text)) != text:
        fix = replaced(span, f"'{bare}'") if span.text == f"'{text}'" else ()
        sentence = "`matches` takes the whole value: `^` and `$` around it say nothing more"
        yield warning("RP204", span, sentence, help=f"write '{bare}'", fix=fix)
    if _ONLY_GLOB.match(text) and ".*" not in text:
        yield warning("RP202", span, "this regular expression looks like a glob", help=f'write `like "{text}"`')
    elif _DOTTED_NUMBER.search(text):
        sentence = "`.` between digits matches every character"
        yield warning("RP203", span, sentence, help=r"write `\.` for a dot")


def _without_anchors(text: str) -> str:
    """The pattern without `^` and `$` around the whole of it; with a choice they may belong to one part only."""
    if "|" in text:
        return text
    bare = text.removeprefix("^")
    return bare[:-1] if bare.endswith("$") and not bare.endswith("\\$") else bare
