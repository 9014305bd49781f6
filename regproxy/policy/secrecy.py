"""Literal secrets in a policy's text: they are an error, and no message about the policy may print them."""

import re
from collections.abc import Iterator
from functools import lru_cache

NAMES = ("password", "token", "secret", "passphrase")
MASK = "*"
_BETWEEN = r"(?:\s|#[^\n]*\n|=)+"
_QUOTED = r"""(?:"(?:[^"\\\n]|\\[^\n])*"?|'[^'\n]*'?)"""
_NAMED = re.compile(rf"\b(?:{'|'.join(NAMES)})\b{_BETWEEN}(?:\[\s*)?({_QUOTED})")
# The bounds keep the search linear in a text that a stranger may have written.
_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/\"'@:]{0,200}:([^\s/\"'@]{1,500})@", re.IGNORECASE)
_REMEMBERED = 64


@lru_cache(_REMEMBERED)
def masked(text: str) -> str:
    """The text with every character of a literal secret replaced; all places stay where they are."""
    return "".join(_masked(text))


def _masked(text: str) -> Iterator[str]:
    at = 0
    for start, stop in _places(text):
        if start >= at:
            yield text[at:start]
            yield "".join(character if character == "\n" else MASK for character in text[start:stop])
            at = stop
    yield text[at:]


def without_secrets(sentence: str, text: str) -> str:
    """A sentence about a text, without the secrets that stand in that text."""
    for start, stop in _places(text):
        if len(secret := text[start:stop]) > 2:
            sentence = sentence.replace(secret, MASK * 6)
    return sentence


@lru_cache(_REMEMBERED)
def _places(text: str) -> tuple[tuple[int, int], ...]:
    """Where secrets stand, quotes left out."""
    named = [_inside(found) for found in _NAMED.finditer(text)]
    return tuple(sorted(named + [found.span(1) for found in _IN_URL.finditer(text)]))


def _inside(found: re.Match[str]) -> tuple[int, int]:
    start, stop = found.span(1)
    written = found[1]
    closed = len(written) > 1 and written[-1] == written[0]
    return start + 1, stop - 1 if closed else stop
