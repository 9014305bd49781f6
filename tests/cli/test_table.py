"""Values as people read them."""

import pytest

from regproxy.cli.table import columns, rounded, short, span


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (512 * 1024, "512 KiB"),
        (3 << 50, "3072.0 TiB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert rounded(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0s"), (0.5, "0s"), (61, "1m"), (7200, "2h"), (90000, "1d")])
def test_times(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_columns_are_as_wide_as_they_must_be() -> None:
    assert columns(("A", "BB"), [("long", "x"), ("", "yyy")]) == "A     BB\nlong  x\n      yyy"


def test_a_digest_is_cut_to_what_people_compare() -> None:
    assert short(f"sha256:{'ab' * 32}") == "sha256:abababababab"
