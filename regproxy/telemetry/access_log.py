"""A line for every answered request, a JSON object or one for people; fields are bounded, nothing secret is in one."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from regproxy.model.event import Event, ExchangeFinished
from regproxy.model.message import printable
from regproxy.telemetry.fields import Fields, fields_of
from regproxy.telemetry.formats import LogFormat, human, seed
from regproxy.telemetry.request_line import RequestLines

FIELD_LENGTH = 256
# What a pipe takes whole (pipe(7), PIPE_BUF): lines of several processes never mix.
MAX_LINE = 4096
SHORT_LENGTH = 100
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class AccessLog:
    """Writes events as lines; a log that cannot be written is dropped, never waited for."""

    def __init__(self, out: TextIO, form: LogFormat = "json") -> None:
        self._out = out
        self._form = form
        self._second, self._date = -1, ""
        self._requests = RequestLines(lambda value: printable(value, FIELD_LENGTH))
        self._soon: Callable[[Callable[[], None]], object] | None = None
        self._lines: list[str] = []
        self._size = 0
        self.dropped = 0

    def gather(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """From now on lines leave when `soon` calls back, as many in one write as a pipe takes whole."""
        self._soon = soon

    def observe(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        if event.__class__ is ExchangeFinished and self._form == "json":
            text = self._requests.line(self._now(), event)
            if len(text) <= MAX_LINE:
                self._write(text)
                return
        fields = fields_of(event)
        if fields is not None:
            self.line(fields)

    def line(self, fields: Fields) -> None:
        """Write one line with the time first."""
        now = self._now()
        text = self._text(now, fields, FIELD_LENGTH)
        if len(text) > MAX_LINE:
            text = self._text(now, fields, SHORT_LENGTH)
        self._write(text)

    def _text(self, now: str, fields: Fields, length: int) -> str:
        if self._form == "human":
            return human(now, {name: _bounded(value, length) for name, value in fields.items()})
        timed = {"time": now, **fields}
        return _json(seed(timed, self._second) if self._form == "seed" and "outcome" in fields else timed, length)

    def _write(self, text: str) -> None:
        if self._size + len(text) > MAX_LINE:
            self.flush()
        if self._soon is not None and not self._lines:
            self._soon(self.flush)
        self._lines.append(text)
        self._size += len(text)
        if self._soon is None:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._lines:
            return
        lines, self._lines, self._size = self._lines, [], 0
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except (OSError, ValueError):
            self.dropped += len(lines)

    def _now(self) -> str:
        """The time by RFC 3339, to the millisecond."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._date = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._date}.{int((now - second) * 1000):03d}Z"


def _json(fields: Fields, length: int) -> str:
    # Nearly every value is fit as it is; asking that here spares a call for each.
    fit = {
        key: value
        if value.__class__ is int
        or (value.__class__ is str and len(value) <= length and value.isascii() and value.isprintable())
        else _bounded(value, length)
        for key, value in fields.items()
    }
    return _ENCODER.encode(fit) + "\n"


def _bounded(value: Any, length: int) -> Any:
    match value:
        case str():
            return printable(value, length)
        case tuple():
            return [_bounded(one, length) for one in value]
        case _:
            return value
