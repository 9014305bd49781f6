"""The types that only tests use, as `convert.py` has the others: value in, typed argument or diagnostic out."""

import ipaddress
from collections.abc import Callable, Mapping

from regproxy.model.event import Outcome
from regproxy.policy.diagnostic import Diagnostic, error, nearest
from regproxy.policy.schema import METHODS
from regproxy.policy.syntax import Integer, Statuses, Text, Value, Word

# A request that stands alone joins no other one's fetch.
OUTCOMES = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.COLLAPSED)

Converted = Word | Text | Integer | Diagnostic | None


def _method(value: Value) -> Converted:
    match value:
        case Word(text) if text in METHODS:
            return value
        case Word(text, span):
            hint = f"write `{text.upper()}`" if text.upper() in METHODS else nearest(text.upper(), METHODS)
            return error("RP103", span, f"unknown method `{text}`", help=hint)
        case _:
            return None


def _reference(value: Value) -> Converted:
    """What is asked for; it is read where the registries are known."""
    return value if isinstance(value, Text) else None


def _address(value: Value) -> Converted:
    if not isinstance(value, Text):
        return None
    try:
        return Text(str(ipaddress.ip_address(value.text)), value.span)
    except ValueError:
        return error("RP112", value.span, f'"{value.text[:60]}" is no address', help='like "10.0.0.7"')


def _word(value: Value) -> Converted:
    return value if isinstance(value, Word) else None


def _outcome(value: Value) -> Converted:
    match value:
        case Word(text) if text in OUTCOMES:
            return value
        case Word("collapsed", span):
            return error("RP103", span, "a request that stands alone is never `collapsed`", help="write `miss`")
        case Word(text, span):
            return error("RP103", span, f"unknown outcome `{text}`", help=nearest(text, OUTCOMES))
        case _:
            return None


def _failed_status(value: Value) -> Converted:
    match value:
        case Integer(number) if 400 <= number <= 599:
            return value
        case Integer(number, span):
            return error("RP108", span, f"{number} is no failure", help="400 to 599; else write `same` or `moved`")
        case Statuses(hundreds, span):
            return error("RP108", span, f"`{hundreds}xx` is many answers", help="write one, like 503")
        case _:
            return None


def _answer_status(value: Value) -> Converted:
    match value:
        case Integer(number) if 200 <= number <= 599:
            return value
        case Integer(number, span):
            return error("RP108", span, f"{number} is no status of an answer", help="200 to 599")
        case _:
            return None


SCENARIO_TYPES: Mapping[str, tuple[str, Callable[[Value], Converted]]] = {
    "METHOD": ("a method such as `GET`", _method),
    "REFERENCE": ('an image or a URL such as "docker.io/library/redis:7"', _reference),
    "ADDRESS": ('an address such as "10.0.0.7"', _address),
    "TIER": ("the name of a tier", _word),
    "OUTCOME": ("an outcome such as `stale`", _outcome),
    "FAILED_STATUS": ("a status such as 503", _failed_status),
    "ANSWER_STATUS": ("a status such as 200", _answer_status),
}
