"""Header lines, as libcurl hands them over, to one final Head."""

import re

from regproxy.model.message import Fields, Head, field, without
from regproxy.upstream.request import Limits

_STATUS_LINE = re.compile(r"HTTP/\d(?:\.\d)? ([1-9]\d\d)(?: (.*))?\Z")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\Z", re.DOTALL)


class HeadReader:
    """Reads one answer's header lines; informational heads are counted and left out, trailers are ignored."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0
        self._informational = 0
        self._status = 0
        self._reason = ""
        self._fields: list[tuple[str, str]] = []
        self.head: Head | None = None
        self.multiplexed = False

    def line(self, raw: bytes) -> Head | None:
        """Take one line with its line end; the final Head when this line completes it.

        Raises ValueError, with a cause in words, for what breaks RFC 9112 or a limit.
        """
        if self.head is not None:
            return None
        self._bytes += len(raw)
        if self._bytes > self._limits.head_bytes:
            raise ValueError(f"the header is larger than {self._limits.head_bytes} bytes")
        if not raw.endswith(b"\n"):
            raise ValueError("the header ended in the middle of a line")
        text = raw.decode("latin-1").rstrip("\r\n")
        if not self._status:
            self._start(text)
        elif text:
            self._field(text)
        else:
            return self._end()
        return None

    def _start(self, text: str) -> None:
        match = _STATUS_LINE.match(text)
        if match is None:
            raise ValueError("the status line is not HTTP")
        self._status, self._reason = int(match[1]), match[2] or ""
        self.multiplexed = text.startswith("HTTP/2")

    def _field(self, text: str) -> None:
        if text[0] in " \t":
            # A folded line (RFC 9112 §5.2) continues the value before it.
            if not self._fields:
                raise ValueError("the header begins with a folded line")
            name, value = self._fields[-1]
            self._fields[-1] = (name, f"{value} {text.strip()}")
            return
        match = _FIELD.match(text)
        if match is None or "\0" in text or "\r" in text:
            raise ValueError("a header line is no field")
        if len(self._fields) >= self._limits.head_fields:
            raise ValueError(f"the header has more than {self._limits.head_fields} fields")
        self._fields.append((match[1], match[2]))

    def _end(self) -> Head | None:
        if self._status == 101:
            raise ValueError("it switched protocols, which nobody asked for")
        if self._status < 200:
            self._informational += 1
            if self._informational > self._limits.informational:
                raise ValueError(f"it sent more than {self._limits.informational} informational answers")
            self._status, self._fields = 0, []
            return None
        fields: Fields = tuple(self._fields)
        if field(fields, "transfer-encoding") is not None:
            # It wins, and nobody behind us may read the other (RFC 9112 §6.3).
            fields = without(fields, ["content-length"])
        self.head = Head(self._status, fields, self._reason)
        return self.head
