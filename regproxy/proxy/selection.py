"""What is sent of a whole representation: all of it, a range, or that it did not change."""

from dataclasses import dataclass
from typing import assert_never

from regproxy.model.answer import Ask
from regproxy.model.message import (
    ByteRange,
    Head,
    Unsatisfiable,
    field,
    not_modified,
    range_applies,
    resolve_range,
    without,
)

NOTHING = ByteRange(0, 0)
# RFC 9110 §15.4.5: what a 304 repeats.
_NOT_MODIFIED = frozenset("age date etag cache-control content-location expires vary docker-content-digest".split())


@dataclass(frozen=True, slots=True)
class Part:
    """The status line, fields and range of what is sent."""

    head: Head
    span: ByteRange


def select(ask: Ask, head: Head, size: int) -> Part:
    """What of a representation of this size answers the request, under which head."""
    asked = ask.fields
    if not_modified(asked, head.fields):
        kept = tuple((name, value) for name, value in head.fields if name.lower() in _NOT_MODIFIED)
        return Part(Head(304, kept), NOTHING)
    wanted = field(asked, "range") if ask.method == "GET" and range_applies(asked, head.fields) else None
    span = resolve_range(wanted, size)
    plain = without(head.fields, ["content-length"])
    match span:
        case None:
            whole = NOTHING if ask.method == "HEAD" else ByteRange(0, size)
            return Part(Head(head.status, (*plain, ("Content-Length", str(size))), head.reason), whole)
        case Unsatisfiable():
            fields = (("Content-Range", f"bytes */{size}"), ("Content-Length", "0"))
            return Part(Head(416, fields), NOTHING)
        case ByteRange(start=start, stop=stop):
            extent = (("Content-Range", f"bytes {start}-{stop - 1}/{size}"), ("Content-Length", str(stop - start)))
            return Part(Head(206, (*plain, *extent)), span)
        case _:
            assert_never(span)
