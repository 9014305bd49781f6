"""Literals as written, turned into values, with a hint for what is nearly one."""

import re

from regproxy.policy.diagnostic import Diagnostic, error, named, replaced
from regproxy.policy.source import Span
from regproxy.policy.syntax import (
    Bad,
    Duration,
    Frequency,
    Integer,
    Percent,
    Size,
    Statuses,
    Text,
    Value,
    Variable,
    Word,
)

MILLISECONDS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
BYTES = {"B": 1} | {
    f"{prefix}{binary}B": (1024 if binary else 1000) ** power
    for power, prefixes in enumerate(("kK", "M", "G", "T"), start=1)
    for prefix in prefixes
    for binary in ("", "i")
}
MAX_DURATION = 100 * 366 * 86400.0
MAX_DIGITS = 15
_NUMBERS = ("duration", "size", "percent", "rate", "integer")
_PART = re.compile(r"([0-9]+)(ms|[smhdw])")
_NEARLY_TIME = re.compile(r"([0-9]{1,9})(secs?|seconds?|mins?|minutes?|hrs?|hours?|days?|weeks?)\Z", re.IGNORECASE)
_NEARLY_SIZE = re.compile(r"([0-9]{1,9})([kmgtKMGT])[bB]?\Z")
_NEARLY_RATE = re.compile(r"([0-9]{1,9})/(?:([0-9]{1,9})|(ms|[smhdw]))\Z")
UNITS = "units are ms s m h d w and B kB KiB MB MiB GB GiB TB TiB"


def literal(kind: str, span: Span) -> tuple[Value, tuple[Diagnostic, ...]]:
    """The value of one token; `kind` is the grammar's alias."""
    written = span.text
    if kind == "string":
        return _string(span)
    digits = max(re.findall(r"[0-9]+", written), key=len, default="")
    if kind == "bad" or (kind in _NUMBERS and len(digits) > MAX_DIGITS):
        return Bad(span), (_no_value(span),)
    match kind:
        case "raw":
            return Text(written[1:-1], span), ()
        case "duration":
            return _duration(span)
        case "size":
            number, unit = re.fullmatch(r"([0-9.]+)(\w+)", written).groups()  # type: ignore[union-attr]
            return Size(int(float(number) * BYTES[unit]), span), ()
        case "percent":
            return Percent(float(written[:-1]) / 100, span), ()
        case "rate":
            return _rate(span)
        case "statuses":
            return Statuses(int(written[0]), span), ()
        case "integer":
            return Integer(int(written), span), ()
        case "variable":
            return Variable(written[1:], span), ()
        case _:
            return Word(written, span), ()


def parse_duration(text: str) -> float:
    """Seconds of a time such as `1h30m`; raises ValueError in one sentence."""
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise ValueError(f"{text[:40]!r} is no time such as 90s, 2h or 1h30m")
    return sum(int(number) * MILLISECONDS[unit] for number, unit in _PART.findall(text)) / 1000


def _rate(span: Span) -> tuple[Value, tuple[Diagnostic, ...]]:
    count, _, window = span.text.partition("/")
    seconds = parse_duration(window)
    if seconds <= MAX_DURATION:
        return Frequency(int(count), seconds, span), ()
    return Bad(span), (error("RP001", span, f"`{window}` is too long"),)


def _duration(span: Span) -> tuple[Value, tuple[Diagnostic, ...]]:
    seconds = parse_duration(span.text)
    if seconds <= MAX_DURATION:
        return Duration(seconds, span), ()
    return Bad(span), (error("RP001", span, f"`{span.text}` is too long", help="write `forever`"),)


def _string(span: Span) -> tuple[Value, tuple[Diagnostic, ...]]:
    """A double-quoted string; only the quote and the backslash can be escaped, and `$` is a dollar."""
    inner, found, plain, at = span.text[1:-1], [], [], 0
    while at < len(inner):
        character = inner[at]
        if character == "\\":
            at += 1
            character = inner[at]
            if character not in '"\\':
                start = span.start + at
                found.append(
                    error(
                        "RP006",
                        Span(span.source, start, start + 2),
                        f"unknown escape `\\{character}` in a string",
                        note='in "…" only `\\"` and `\\\\` are escapes',
                        help="write a pattern in single quotes, '…', where a backslash is a backslash",
                    )
                )
        plain.append(character)
        at += 1
    return (Bad(span), tuple(found)) if found else (Text("".join(plain), span), ())


def _no_value(span: Span) -> Diagnostic:
    """Why the token is no value, and what was probably meant."""
    written = named(span)
    if written[0] in "'\"":
        return error("RP007", span, "the string is not closed on its line", help=f"add {written[0]} after it")
    if time := _NEARLY_TIME.match(written):
        unit = time[2][0].lower()
        hint = f"{UNITS}; did you mean `{time[1]}{unit}`?"
        return error("RP001", span, f"`{written}` is not a value", help=hint, fix=replaced(span, f"{time[1]}{unit}"))
    if size := _NEARLY_SIZE.match(written):
        unit = size[2].upper() + "iB"
        return error("RP001", span, f"`{written}` is not a value", help=f"{UNITS}; did you mean `{size[1]}{unit}`?")
    if rate := _NEARLY_RATE.match(written):
        window = f"{rate[2]}h" if rate[2] else f"1{rate[3]}"
        hint = f"a rate is a number and a time; did you mean `{rate[1]}/{window}`?"
        return error("RP001", span, f"`{written}` is not a value", help=hint)
    if written[0].isdigit() and re.fullmatch(r"[0-9.]+[a-zA-Z]+", written):
        return error("RP001", span, f"`{written}` is not a value", help=UNITS)
    if written[0].isdigit():
        return error("RP001", span, f"`{written}` is not a value", help=f'{UNITS}; a name: "{written}"')
    if written == "=":
        return error("RP001", span, "`=` is not a value", help="write the value right after the name")
    return error("RP001", span, f"`{written}` is not a value", help='put names with special characters in "…"')
