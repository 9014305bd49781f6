"""What may be looked at of a message."""

import pytest

from regproxy.model.exchange import HIDDEN, MAX_FIELDS, MAX_VALUE, path_of, shown


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("Accept", "*/*", "*/*"),
        ("Authorization", "Bearer secret", HIDDEN),
        ("Proxy-Authorization", "Basic c2VjcmV0", HIDDEN),
        ("Set-Cookie", "session=secret", HIDDEN),
        ("X-Registry-Auth", "secret", HIDDEN),
        ("X-Amz-Security-Token", "secret", HIDDEN),
        ("Location", "https://cdn.test/a?X-Amz-Signature=secret", f"https://cdn.test/a?{HIDDEN}"),
        ("Location", "/v2/a", "/v2/a"),
        ("Docker-Content-Digest", "sha256:0", "sha256:0"),
        ("User-Agent", "evil\x1b[31m", "evil?[31m"),
        ("User-Agent", "x" * 1000, "x" * MAX_VALUE),
    ],
)
def test_values_that_tell_who_asks_are_hidden(name: str, value: str, seen: str) -> None:
    assert shown(((name, value),)) == ((name, seen),)


def test_fields_are_bounded_and_a_path_has_no_query() -> None:
    assert len(shown((("accept", "x"),) * 100)) == MAX_FIELDS
    assert path_of("/token?scope=x&password=secret") == "/token"
