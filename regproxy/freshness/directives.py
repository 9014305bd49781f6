"""Cache-Control as values (RFC 9111 §5.2): directives by name.

The first of each counts; of those that name fields all count, and one that names none is about the whole message
(§4.2.1: the most restrictive is honoured).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from regproxy.model.message import Fields, joined

# RFC 9111 §1.2.2: what is larger counts as this much, or as for ever.
MAX_SECONDS = 2**31
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 -- a word of RFC 9110, not a secret
# Blanks around `=` are no syntax: the directive counts, its value is none that anybody meant. Nothing is tried twice:
# a field of 64 KiB is read in its length.
_DIRECTIVE = re.compile(rf'({_TOKEN}+)(?:([ \t]*+)=([ \t]*+)("(?:[^"\\]|\\.)*+"|[^,"]*+))?+[^,"]*+(?:,|\Z)')
_SEPARATORS = re.compile(r"[ \t,]*+")
_INVALID = "\0"
_NAMING = frozenset({"no-cache", "private"})


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of one message; a value is None where there is none."""

    values: Mapping[str, str | None] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def unqualified(self, name: str) -> bool:
        """Whether the directive is there and names no fields: it is about the whole message."""
        return name in self.values and not self.fields(name)

    def fields(self, name: str) -> frozenset[str]:
        """The fields that a directive names, in lower case: `no-cache="set-cookie, x-user"`."""
        return _names(self.values.get(name))

    def seconds(self, name: str) -> float | None:
        """A duration; None where there is no such directive, 0 where its value is no number (§4.2.1)."""
        if name not in self.values:
            return None
        value = self.values[name] or ""
        return float(min(int(value[:12]), MAX_SECONDS)) if value.isascii() and value.isdigit() else 0.0


def response_directives(fields: Fields) -> Directives:
    """What a response says."""
    return _parsed(joined(fields, "cache-control"))


def request_directives(fields: Fields) -> Directives:
    """What a request says; without Cache-Control an old `Pragma: no-cache` counts (§5.4)."""
    value = joined(fields, "cache-control")
    if value is None and "no-cache" in (joined(fields, "pragma") or "").lower():
        value = "no-cache"
    return _parsed(value)


def _parsed(value: str | None) -> Directives:
    found: dict[str, list[str | None]] = {}
    text = value or ""
    at = _end(text, 0)
    while at < len(text):
        match = _DIRECTIVE.match(text, at)
        if match is None:
            # No directive begins here: what cannot be read ends with the next comma.
            comma = text.find(",", at)
            at = len(text) if comma < 0 else _end(text, comma)
            continue
        name, before, after, given = match.groups()
        found.setdefault(name.lower(), []).append(_INVALID if before or after else _plain(given))
        at = _end(text, match.end())
    return Directives({name: _together(values) if name in _NAMING else values[0] for name, values in found.items()})


def _together(values: list[str | None]) -> str | None:
    """All fields that are named; None where one value names none."""
    return ",".join(filter(None, values)) if all(map(_names, values)) else None


def _names(value: str | None) -> frozenset[str]:
    return frozenset(filter(None, (part.strip().lower() for part in (value or "").strip(_INVALID).split(","))))


def _end(text: str, at: int) -> int:
    separators = _SEPARATORS.match(text, at)
    return separators.end() if separators is not None else at


def _plain(given: str | None) -> str | None:
    if given is None or not given.startswith('"'):
        return given.strip() if given is not None else None
    return re.sub(r"\\(.)", r"\1", given[1:-1])
