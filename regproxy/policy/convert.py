"""Values to typed arguments: one function per type name of the schema's forms.

Each returns the typed argument, a Diagnostic when the value has the right shape but is wrong, or None when it is of
another type altogether.
"""

import math
from collections.abc import Callable, Mapping

from regproxy.model.decision import FailureClass, Failures
from regproxy.model.registry import MAX_CONCURRENT, MAX_PULLS
from regproxy.policy.diagnostic import Diagnostic, error, nearest
from regproxy.policy.given import Failure, Given
from regproxy.policy.host_types import HOST_TYPES
from regproxy.policy.scenario_types import SCENARIO_TYPES
from regproxy.policy.secret_types import SECRET_TYPES
from regproxy.policy.syntax import Duration, Frequency, Integer, Percent, Size, Statuses, Text, Value, Word
from regproxy.policy.upstream_types import UPSTREAM_TYPES
from regproxy.policy.warm_types import WARM_TYPES

Converted = Given | Diagnostic | None

MAX_REASON = 200
EVERY_FAILURE = frozenset(FailureClass)
FAILURE_WORDS = (*(str(failure) for failure in FailureClass), "error", "5xx")


def _duration(value: Value) -> Converted:
    match value:
        case Duration():
            return value
        case Integer(number, span):
            return _no_unit(value, f"`{number}s`, `{number}m`, `{number}h` or `{number}d`", span.text)
        case _:
            return None


def _no_unit(value: Value, units: str, written: str) -> Diagnostic:
    return error("RP109", value.span, f"`{written}` has no unit", help=f"write {units}")


def _size(value: Value) -> Converted:
    match value:
        case Size(0, span):
            return error("RP108", span, "the size must be above zero")
        case Size():
            return value
        case Integer(number, span):
            return _no_unit(value, f"`{number}MiB` or `{number}GiB`", span.text)
        case _:
            return None


def _percent(value: Value) -> Converted:
    match value:
        case Percent(share, span) if share >= 1:
            return error("RP108", span, "the share must be below 100%")
        case Percent():
            return value
        case _:
            return None


def _rate(value: Value) -> Converted:
    match value:
        case Frequency(count, seconds, span) if not (0 < count <= MAX_PULLS and seconds):
            return error("RP108", span, f"a rate is 1 to {MAX_PULLS} in a time above zero", help="like `180/6h`")
        case Frequency():
            return value
        case Integer(number, span):
            return _no_unit(value, f"`{number}/6h` or `{number}/1d`", span.text)
        case _:
            return None


def _concurrency(value: Value) -> Converted:
    match value:
        case Integer(number, span) if not 0 < number <= MAX_CONCURRENT:
            return error("RP108", span, f"{number} requests at once are not possible", help=f"1 to {MAX_CONCURRENT}")
        case Integer():
            return value
        case _:
            return None


def _pulls(value: Value) -> Converted:
    match value:
        case Integer(number, span) if not 0 < number <= MAX_PULLS:
            return error("RP108", span, f"{number} pulls cannot be kept", help=f"1 to {MAX_PULLS}")
        case Integer():
            return value
        case _:
            return None


def _group(value: Value) -> Converted:
    return value if isinstance(value, Word) else None


def _integer(value: Value) -> Converted:
    return value if isinstance(value, Integer) else None


def _text(value: Value) -> Converted:
    return value if isinstance(value, Text) else None


def _status(value: Value) -> Converted:
    match value:
        case Integer(number, span):
            wrong = error("RP108", span, f"{number} is no status to refuse with", help="400 to 599, mostly 403")
            return value if 400 <= number <= 599 else wrong
        case _:
            return None


def _reason(value: Value) -> Converted:
    """The text of `deny`: clients show it as the reason phrase."""
    if not isinstance(value, Text):
        return None
    if 0 < len(value.text) <= MAX_REASON and value.text.isascii() and value.text.isprintable():
        return value
    sentence = f"the text must be printable ASCII, 1 to {MAX_REASON} characters"
    return error("RP108", value.span, sentence, note="clients show it as the reason phrase of the response")


def _not_found(value: Value) -> Converted:
    match value:
        case Integer(404 | 410):
            return value
        case Integer(number, span):
            return error("RP108", span, f"{number} cannot be remembered", help="404 and 410 can")
        case _:
            return None


def _failure(value: Value) -> Converted:
    match value:
        case Word("error", span):
            return Failure(Failures(EVERY_FAILURE), span)
        case Word(text, span) if text in EVERY_FAILURE:
            return Failure(Failures(frozenset({FailureClass(text)})), span)
        case Word(text, span):
            return error("RP103", span, f"unknown failure class `{text}`", help=nearest(text, FAILURE_WORDS))
        case Statuses(5, span):
            return Failure(Failures(statuses=frozenset(range(500, 600))), span)
        case Statuses(hundreds, span):
            help_ = "only 5xx is a class of failures; list single codes of others, like 429"
            return error("RP103", span, f"`{hundreds}xx` is no failure class", help=help_)
        case Integer(number, span) if 400 <= number <= 599:
            return Failure(Failures(statuses=frozenset({number})), span)
        case Integer(number, span):
            return error("RP103", span, f"{number} is no failure", help="400 to 599")
        case _:
            return None


def forever(value: Value) -> Duration | None:
    """The word `forever` as a duration."""
    return Duration(math.inf, value.span) if isinstance(value, Word) and value.text == "forever" else None


TYPES: Mapping[str, tuple[str, Callable[[Value], Converted]]] = {
    "DURATION": ("a duration such as `10m`", _duration),
    "SIZE": ("a size such as `32GiB`", _size),
    "PERCENT": ("a percentage such as `10%`", _percent),
    "RATE": ("a rate such as `180/6h`", _rate),
    "CONCURRENCY": ("a number such as 32", _concurrency),
    "PULLS": ("a number of pulls such as 40", _pulls),
    "GROUP": ("the name of a client-group", _group),
    "INTEGER": ("a number", _integer),
    "TEXT": ('a string in "…"', _text),
    "REASON": ('a string in "…"', _reason),
    "STATUS": ("a status such as 403", _status),
    "NOT_FOUND": ("404 or 410", _not_found),
    "FAILURE": ("a failure class such as `error`, `429` or `5xx`", _failure),
    **HOST_TYPES,
    **SECRET_TYPES,
    **SCENARIO_TYPES,
    **UPSTREAM_TYPES,
    **WARM_TYPES,
}
