"""Values to bounds and versions: the types of arguments that say how a registry is spoken to."""

from collections.abc import Callable, Mapping

from regproxy.model.egress import MAX_CONNECTIONS, MAX_RETRIES, MAX_TIMEOUT, MIN_TIMEOUT
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.given import Given
from regproxy.policy.syntax import Duration, Integer, Text, Value

Converted = Given | Diagnostic | None


def _timeout(value: Value) -> Converted:
    match value:
        case Duration(seconds, span) if not MIN_TIMEOUT <= seconds <= MAX_TIMEOUT:
            return error("RP108", span, "a time-out is 100ms to 1h")
        case Duration():
            return value
        case Integer(number, span):
            return error("RP109", span, f"`{number}` has no unit", help=f"write `{number}s` or `{number}m`")
        case _:
            return None


def _retries(value: Value) -> Converted:
    match value:
        case Integer(number, span) if number > MAX_RETRIES:
            return error("RP108", span, f"{number} more tries are too many", help=f"0 to {MAX_RETRIES}")
        case Integer():
            return value
        case _:
            return None


def _connections(value: Value) -> Converted:
    match value:
        case Integer(number, span) if not 0 < number <= MAX_CONNECTIONS:
            sentence = f"{number} connections at once are not possible"
            return error("RP108", span, sentence, help=f"1 to {MAX_CONNECTIONS}")
        case Integer():
            return value
        case _:
            return None


def _tls_version(value: Value) -> Converted:
    if not isinstance(value, Text):
        return None
    if value.text in ("1.2", "1.3"):
        return value
    return error("RP108", value.span, "registries are spoken to by TLS 1.2 or 1.3", help='write "1.2" or "1.3"')


UPSTREAM_TYPES: Mapping[str, tuple[str, Callable[[Value], Converted]]] = {
    "TIMEOUT": ("a time such as `10s`", _timeout),
    "RETRIES": ("a number such as 3", _retries),
    "CONNECTIONS": ("a number such as 16", _connections),
    "TLS_VERSION": ('"1.2" or "1.3"', _tls_version),
}
