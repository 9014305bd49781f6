"""HTTP dates (RFC 9110 §5.6.7): three formats, case-sensitive, always GMT; anything else is no date."""

import re
from datetime import UTC, datetime
from email.utils import formatdate

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMATS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)
# A year of two digits is the one within fifty years; nobody has written such dates since long before 2000.
_PIVOT = 70


def http_date(value: str | None) -> float | None:
    """An HTTP date as seconds since the epoch, or None."""
    found = next(filter(None, (form.fullmatch(value.strip()) for form in _FORMATS)), None) if value else None
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 2000 if year < _PIVOT else 1900
    # A leap second is the one before it: no clock here counts it.
    second = min(int(found["second"]), 59)
    try:
        day = datetime(year, _MONTHS.index(found["month"]) + 1, int(found["day"]), tzinfo=UTC)
        return day.replace(hour=int(found["hour"]), minute=int(found["minute"]), second=second).timestamp()
    except (ValueError, OverflowError):
        return None


def date_text(seconds: float) -> str:
    """Seconds since the epoch as an HTTP date."""
    return formatdate(seconds, usegmt=True)
