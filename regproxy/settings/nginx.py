"""nginx's notation for sizes and times, in which the seed's variables are written."""

import re

_SIZE = re.compile(r"([0-9]{1,15})([kKmMgG]?)\Z")
_TIME_PART = re.compile(r"\s*([0-9]{1,12})(y|M|w|d|h|m|s|)(?=\s|[0-9]|\Z)")
_SECONDS = {"y": 365 * 86400, "M": 30 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_ORDER = tuple(_SECONDS)
MAX_SECONDS = 100 * 365 * 86400


def nginx_size(text: str) -> int:
    """Bytes: `k`, `m` and `g` are powers of 1024, none is bytes; raises ValueError."""
    found = _SIZE.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size; write a number with k, m or g, such as 32g")
    return int(found[1]) * _BYTES[found[2].lower()]


def nginx_time(text: str) -> int:
    """Seconds: `y M w d h m s` in this order, `M` 30 days and `m` minutes, bare seconds; raises ValueError."""
    seconds = at = 0
    last = -1
    stripped = text.strip()
    while at < len(stripped):
        found = _TIME_PART.match(stripped, at)
        if found is None:
            break
        # A bare number that more follows takes the place of `s`, so that "1 1" is two seconds and "1 1 1" is nothing.
        unit = found[2] or ("s" if found.end() < len(stripped) else "")
        if _ORDER.index(unit) <= last:
            break
        last = _ORDER.index(unit)
        seconds += int(found[1]) * _SECONDS[unit]
        at = found.end()
    if not stripped or at < len(stripped):
        raise ValueError(f"{text!r} is no time; write it like 60d, 1h 30m or 10m (M is 30 days, m minutes)")
    if seconds > MAX_SECONDS:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return seconds
