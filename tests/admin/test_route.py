"""What a query of a call gives."""

import pytest

from regproxy.admin.route import number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, 5),
        ("1", 1),
        ("0020", 20),
        ("21", None),
        ("0", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1_0", None),
        ("\u0661", None),
        ("00000000000121", None),
        ("0" * 5000 + "1", None),
    ],
)
def test_a_number_of_a_query_is_within_its_bounds_however_it_is_written(text: str | None, found: int | None) -> None:
    query = {} if text is None else {"limit": text}
    if found is None:
        with pytest.raises(ValueError, match="`limit` is a number from 1 to 20"):
            number(query, "limit", 5, 20)
    else:
        assert number(query, "limit", 5, 20) == found
