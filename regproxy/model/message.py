"""Parts of an HTTP message as values: header fields, ranges, conditions and content negotiation."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from regproxy.model.date import http_date
from regproxy.model.oci import MANIFEST_TYPES

Fields = tuple[tuple[str, str], ...]

# RFC 9110 §7.6.1, and what only ever concerned one hop.
HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-authentication-info proxy-connection te "
    "trailer transfer-encoding upgrade http2-settings".split()
)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}\Z")


@dataclass(frozen=True, slots=True)
class Head:
    """Status, reason phrase and header fields of a response."""

    status: int
    fields: Fields = ()
    reason: str = ""

    def get(self, name: str) -> str | None:
        """The first field of that name, case-insensitively."""
        return field(self.fields, name)


def field(fields: Fields, name: str) -> str | None:
    """The first field of that name, case-insensitively."""
    wanted = name.lower()
    return next((value for key, value in fields if key.lower() == wanted), None)


def joined(fields: Fields, name: str) -> str | None:
    """All fields of that name as one list value (RFC 9110 §5.3), or None."""
    wanted = name.lower()
    values = [value for key, value in fields if key.lower() == wanted]
    return ", ".join(values) if values else None


def without(fields: Fields, names: Iterable[str]) -> Fields:
    """The fields less those named (lower case)."""
    dropped = frozenset(names)
    return tuple((key, value) for key, value in fields if key.lower() not in dropped)


def only(fields: Fields, names: frozenset[str]) -> Fields:
    """The fields named (lower case), in their order."""
    return tuple((key, value) for key, value in fields if key.lower() in names)


def end_to_end(fields: Fields) -> Fields:
    """The fields that travel on: no hop-by-hop field, none that Connection lists, none with forbidden bytes."""
    listed = {token.strip().lower() for token in (joined(fields, "connection") or "").split(",")}
    return tuple(
        (key, value)
        for key, value in fields
        if key.lower() not in HOP_BY_HOP and key.lower() not in listed and _NAME.match(key) and _VALUE.match(value)
    )


def is_method(text: str) -> bool:
    """Whether this is a method that we pass on; methods are case-sensitive (RFC 9110 §9.1), all in use are capitals."""
    return _METHOD.match(text) is not None


def printable(text: str, limit: int = 200) -> str:
    """Text fit for a reason phrase or a log field: printable ASCII, bounded."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c <= "~" else "?" for c in text[:limit])


def content_length(fields: Fields) -> int | None:
    """Content-Length as a number; None when absent; ValueError when it is not one number."""
    values = {value.strip() for key, value in fields if key.lower() == "content-length"}
    if not values:
        return None
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()):
        raise ValueError("Content-Length is not one number")
    return int(value)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A satisfiable range: bytes `start` to `stop`, `stop` excluded."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """A range beyond the end: 416."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What of a body an answer holds (RFC 9110 §14.4); `size` is the whole's, None if it is not told."""

    start: int
    stop: int
    size: int | None


_EXTENT = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\Z", re.IGNORECASE)


def content_range(fields: Fields) -> Extent | None:
    """Content-Range of a single part; None when absent or not understood."""
    match = _EXTENT.match((field(fields, "content-range") or "").strip())
    if match is None:
        return None
    extent = Extent(int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3]))
    valid = extent.start < extent.stop and (extent.size is None or extent.stop <= extent.size)
    return extent if valid else None


_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*\Z", re.IGNORECASE)


def resolve_range(value: str | None, size: int) -> ByteRange | Unsatisfiable | None:
    """The range asked for (RFC 9110 §14.2); None means the whole: no range, several, or one not understood."""
    match = _RANGE.match(value.strip()) if value else None
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        return ByteRange(max(0, size - int(last)), size) if int(last) and size else Unsatisfiable()
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return Unsatisfiable()
    return ByteRange(int(first), min(size, int(last) + 1) if last else size)


def etag_matches(condition: str, etag: str | None, *, strong: bool = False) -> bool:
    """Whether an If-None-Match list (weak comparison) or an If-Range tag (`strong`) names this entity tag."""
    if condition.strip() == "*":
        return etag is not None
    if etag is None:
        return False
    if strong:
        return condition.strip() == etag and not etag.startswith("W/")
    plain = etag.removeprefix("W/")
    tags = re.findall(r'(?:W/)?("[^"]*")', condition)
    return plain in tags


def not_modified(request: Fields, response: Fields) -> bool:
    """Whether a conditional GET or HEAD is answered 304 (RFC 9110 §13.2.2: If-None-Match wins)."""
    condition = joined(request, "if-none-match")
    if condition is not None:
        return etag_matches(condition, field(response, "etag"))
    since = http_date(field(request, "if-modified-since"))
    modified = http_date(field(response, "last-modified"))
    return since is not None and modified is not None and modified <= since


def range_applies(request: Fields, response: Fields) -> bool:
    """Whether If-Range lets the Range count: a strong entity tag or the exact date (RFC 9110 §13.1.5)."""
    condition = field(request, "if-range")
    if condition is None:
        return True
    if '"' in condition:
        return etag_matches(condition, field(response, "etag"), strong=True)
    date = http_date(condition)
    return date is not None and date == http_date(field(response, "last-modified"))


def media_type(value: str | None) -> str:
    """A Content-Type without parameters, lower case."""
    return (value or "").partition(";")[0].strip().lower()


def admits(accept: str | None, native: str) -> bool:
    """Whether an Accept value admits a media type; no Accept admits everything, `q=0` refuses."""
    if not accept or not native:
        return True
    wanted = native.lower()
    ranges: dict[str, bool] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        ranges[name] = not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    for name in (wanted, wanted.partition("/")[0] + "/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return False


def accept_class(accept: str | None) -> str:
    """The manifest types an Accept admits, as one canonical value: the key of a non-native binding."""
    return ", ".join(name for name in MANIFEST_TYPES if admits(accept, name)) or "*/*"
