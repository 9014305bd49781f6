"""What a registry says of its limits, in every form that was seen, and in forms that nobody should send."""

import pytest

from regproxy.model.message import Head
from regproxy.upstream.ratelimit import Allowance, read_allowance, read_retry_after, reason_of
from tests.lab.answers import Answer, abused, pull_limited
from tests.upstream.standin import ask, registry

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("limit", "remaining", "found"),
    [
        ("100;w=21600", "20;w=21600", (100, 20, 21600)),
        ("100; w=21600", "0", (100, 0, 21600)),
        ("100", "99", (100, 99, 0)),
        ("100, 200;w=60", "1;w=60", None),
        ("100;w=60;burst=5", "1;q=2", (100, 1, 60)),
        ("many", "1", None),
        ("-1", "1", None),
        ("9" * 20, "1", None),
        ("100;w=21600", "", None),
    ],
)
def test_what_is_left_is_read(limit: str, remaining: str, found: tuple[int, int, int] | None) -> None:
    fields = (("RateLimit-Limit", limit), ("RateLimit-Remaining", remaining))
    expected = Allowance(*found, NOW) if found is not None else None
    assert read_allowance(fields, NOW) == expected


def test_nothing_is_left_to_read_where_a_registry_counts_nothing() -> None:
    assert read_allowance((("Content-Type", "text/plain"),), NOW) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 1),
        ("99999999", 900),
        ("9" * 400, None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 1),
        ("Sat, 05 Nov 1994 08:49:37 GMT", 1),
        ("Sun, 06 Nov 2094 08:49:37 GMT", 900),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_how_long_to_wait_is_obeyed_within_reason(value: str, seconds: float | None) -> None:
    assert read_retry_after((("Retry-After", value),), NOW) == seconds


def said(message: str, code: str = "TOOMANYREQUESTS", left: str = "") -> Answer:
    fields = (("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", left)) if left else ()
    return Answer(429, fields, f'{{"errors":[{{"code":"{code}","message":"{message}"}}]}}'.encode())


@pytest.mark.parametrize(
    ("answer", "method", "purpose", "reason"),
    [
        (pull_limited(), "GET", "manifest", "pull_limit"),
        (said("You have reached your pull rate limit as 'me'"), "GET", "manifest", "pull_limit"),
        (said("anything", left="0;w=21600"), "GET", "manifest", "pull_limit"),
        (said("anything", left="7;w=21600"), "GET", "manifest", "abuse"),
        (pull_limited(), "HEAD", "manifest", "abuse"),
        (pull_limited(), "GET", "blob", "abuse"),
        (abused(), "GET", "manifest", "abuse"),
        (said("retry-after: 880.092us, allowed: 44000/minute"), "GET", "manifest", "abuse"),
        (said("Rate exceeded"), "GET", "manifest", "abuse"),
        (said("pull rate limit", code="DENIED"), "GET", "manifest", "abuse"),
        (Answer(429, body=b'{"errors":[]}'), "GET", "manifest", "abuse"),
        (Answer(429, body=b'{"errors":["x"]}'), "GET", "manifest", "abuse"),
        (Answer(429, body=b"[" * 60_000), "GET", "manifest", "abuse"),
        (Answer(429, body=b"\xff\xfe"), "GET", "manifest", "abuse"),
        (Answer(429), "GET", "manifest", "abuse"),
    ],
)
def test_the_two_kinds_of_429_are_told_apart(answer: Answer, method: str, purpose: str, reason: str) -> None:
    assert isinstance(answer.body, bytes)
    request = ask(registry(), method, "/v2/a/b/manifests/c", (), purpose)
    assert reason_of(request, Head(429, answer.fields), answer.body) == reason
