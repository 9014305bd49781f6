"""Asking the core for the rest of a body whose source failed on the way to a client that has its beginning."""

from dataclasses import replace

from regproxy.model.answer import Ask, BrokenBody, Streaming
from regproxy.model.message import ByteRange, content_range, without

UNKNOWN_STOP = 1 << 62
_CONDITIONS = ("range", "if-range", "if-none-match", "if-modified-since")


def rest_of(ask: Ask, span: ByteRange) -> Ask:
    """The same request for what is left of it."""
    last = "" if span.stop >= UNKNOWN_STOP else str(span.stop - 1)
    fields = (*without(ask.fields, _CONDITIONS), ("Range", f"bytes={span.start}-{last}"))
    return replace(ask, fields=fields, body=None)


def check_rest(answer: Streaming, span: ByteRange) -> None:
    """Raises BrokenBody where a streamed answer is not what is left."""
    extent = content_range(answer.head.fields) if answer.head.status == 206 else None
    if extent is None or extent.start != span.start or (span.stop < UNKNOWN_STOP and extent.stop != span.stop):
        raise BrokenBody(f"the rest was answered with {answer.head.status}")
