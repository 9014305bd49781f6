"""The trace that a client says its request belongs to (W3C Trace Context, traceparent)."""

import re

from regproxy.model.message import Fields, field

# Version 00, and later ones as far as we understand them; ids of zeros are invalid (§3.2.2).
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z")


def trace_of(fields: Fields) -> str:
    """The id of the trace, or nothing where the client names none that is valid."""
    found = _TRACEPARENT.match(field(fields, "traceparent") or "")
    return found[1] if found else ""


def is_trace(text: str) -> bool:
    """Whether this is the id of a trace, or nothing."""
    return not text or re.fullmatch(r"[0-9a-f]{32}", text) is not None
