"""The trace that a client says its request belongs to (W3C Trace Context, traceparent), and our place in it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from regproxy.model.message import Fields, field

# Version 00, and later ones as far as we understand them; ids of zeros are invalid (§3.2.2).
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?\Z")
_SPAN = re.compile(r"(?!0{32})[0-9a-f]{32} (?!0{16})[0-9a-f]{16} (?:(?!0{16})[0-9a-f]{16})?")
MAX_TIME = float(1 << 33)  # seconds; in nanoseconds it has 64 bits
_SAMPLED = 1  # §3.2.2.5


@dataclass(frozen=True, slots=True)
class Span:
    """An exchange in its trace, ids in hex; `parent` is what the client did, if it said. Raises ValueError.

    It `began` so many seconds after the epoch: whoever hears of its end may do so late.
    """

    trace: str
    id: str
    parent: str
    began: float

    def __post_init__(self) -> None:
        if not _SPAN.fullmatch(f"{self.trace} {self.id} {self.parent}"):
            raise ValueError("no ids of a trace and its spans")
        if not 0 <= self.began < MAX_TIME:
            raise ValueError("no time at which a span begins")


def trace_of(fields: Fields) -> str:
    """The id of the trace, or nothing where the client names none that is valid."""
    found = _TRACEPARENT.match(field(fields, "traceparent") or "")
    return found[1] if found else ""


def span_of(fields: Fields, token: Callable[[int], str], began: float) -> Span | None:
    """The span of an exchange, in the client's trace or one of its own; None: the client's trace is not recorded.

    `token` gives so many random bytes in hex.
    """
    found = _TRACEPARENT.match(field(fields, "traceparent") or "")
    if found is None:
        return Span(token(16), token(8), "", began)
    trace, parent, flags = found.groups()
    return Span(trace, token(8), parent, began) if int(flags, 16) & _SAMPLED else None


def is_trace(text: str) -> bool:
    """Whether this is the id of a trace, or nothing."""
    return not text or re.fullmatch(r"[0-9a-f]{32}", text) is not None
