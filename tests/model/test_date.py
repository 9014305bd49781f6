"""HTTP dates: three formats are read, everything else is no date."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.model.date import date_text, http_date

THAT_MOMENT = 784111777.0  # 1994-11-06 08:49:37, the example of RFC 9110 §5.6.7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", THAT_MOMENT),
        ("Sunday, 06-Nov-94 08:49:37 GMT", THAT_MOMENT),
        ("Sun Nov  6 08:49:37 1994", THAT_MOMENT),
        ("Fri, 30 Jun 1972 23:59:60 GMT", 78796799.0),
        ("Tuesday, 19-Jan-38 03:14:07 GMT", 2.0**31 - 1),
        (None, None),
        ("", None),
        ("0", None),
        ("-1", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 06 nov 1994 08:49:37 GMT", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Sun, ٠٦ Nov 1994 08:49:37 GMT", None),
    ],
)
def test_a_date_is_one_of_three_formats(text: str | None, expected: float | None) -> None:
    assert http_date(text) == expected


@given(st.integers(0, 253402300799))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert http_date(date_text(seconds)) == seconds
