"""nginx's sizes and times, as nginx reads them (ngx_parse.c)."""

import pytest

from regproxy.policy.words import duration, size
from regproxy.settings.nginx import nginx_size, nginx_time

DAY = 86400


@pytest.mark.parametrize(
    ("text", "count", "literal"),
    [
        ("32g", 32 * 1024**3, "32GiB"),
        ("100G", 100 * 1024**3, "100GiB"),
        ("512m", 512 * 1024**2, "512MiB"),
        ("5K", 5 * 1024, "5KiB"),
        ("1024k", 1024**2, "1MiB"),
        ("1000", 1000, "1000B"),
        (" 1g ", 1024**3, "1GiB"),
    ],
)
def test_a_size_is_read_and_written(text: str, count: int, literal: str) -> None:
    assert nginx_size(text) == count
    assert size(count) == literal


@pytest.mark.parametrize(
    ("text", "seconds", "literal"),
    [
        ("60d", 60 * DAY, "60d"),
        ("1M", 30 * DAY, "30d"),
        ("10m", 600, "10m"),
        ("1y", 365 * DAY, "365d"),
        ("2w", 14 * DAY, "14d"),
        ("90", 90, "1m30s"),
        ("0", 0, "0s"),
        ("1h 30m", 5400, "1h30m"),
        ("1h30m", 5400, "1h30m"),
        ("1d 10", DAY + 10, "1d10s"),
        ("1M1m", 30 * DAY + 60, "30d1m"),
        ("1 1", 2, "2s"),
        ("1m 1 1", 62, "1m2s"),
    ],
)
def test_a_time_is_read_and_written(text: str, seconds: int, literal: str) -> None:
    assert nginx_time(text) == seconds
    assert duration(seconds) == literal


@pytest.mark.parametrize("text", ["", "g", "1t", "1.5g", "-1g", "1 g", "32GiB", "1" * 16])
def test_what_nginx_refuses_as_a_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        nginx_size(text)


@pytest.mark.parametrize(
    "text", ["", "d", "5x", "10 m", "30m 1h", "1h1h", "10ms", "-1", "1.5h", "10min", "1 1 1", "1 1m", "1s 1 1"]
)
def test_what_nginx_refuses_as_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        nginx_time(text)


def test_a_time_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="hundred years"):
        nginx_time("101y")
