"""The types that only `warm` blocks use: times of day and platforms."""

import re
from collections.abc import Callable, Mapping

from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.syntax import Text, Value

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")
_PLATFORM = re.compile(r"[a-z0-9]{1,32}/[a-z0-9_]{1,32}(?:/[a-z0-9.]{1,32})?\Z")


def _time(value: Value) -> Text | Diagnostic | None:
    if not isinstance(value, Text):
        return None
    wrong = error("RP108", value.span, f'"{value.text[:20]}" is no time of day', help='like "01:30", in UTC')
    return value if _TIME.match(value.text) else wrong


def _platform(value: Value) -> Text | Diagnostic | None:
    if not isinstance(value, Text):
        return None
    wrong = error("RP108", value.span, f'"{value.text[:40]}" is no platform', help='like "linux/amd64"')
    return value if _PLATFORM.match(value.text) else wrong


WARM_TYPES: Mapping[str, tuple[str, Callable[[Value], Text | Diagnostic | None]]] = {
    "TIME": ('a time of day such as "01:30"', _time),
    "PLATFORM": ('a platform such as "linux/arm64"', _platform),
}
