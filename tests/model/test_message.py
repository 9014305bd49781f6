"""Ranges, conditions, negotiation: the corners of RFC 9110 that clients reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.model.message import (
    ByteRange,
    Unsatisfiable,
    accept_class,
    admits,
    content_length,
    end_to_end,
    not_modified,
    printable,
    range_applies,
    resolve_range,
)
from regproxy.model.oci import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST


@pytest.mark.parametrize(
    ("value", "size", "expected"),
    [
        (None, 10, None),
        ("bytes=0-", 10, ByteRange(0, 10)),
        ("bytes=2-4", 10, ByteRange(2, 5)),
        ("bytes=2-400", 10, ByteRange(2, 10)),
        ("bytes=-3", 10, ByteRange(7, 10)),
        ("bytes=-30", 10, ByteRange(0, 10)),
        ("Bytes=9-9", 10, ByteRange(9, 10)),
        ("bytes=10-", 10, Unsatisfiable()),
        ("bytes=-0", 10, Unsatisfiable()),
        ("bytes=0-", 0, Unsatisfiable()),
        ("bytes=4-2", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=-", 10, None),
        ("items=0-1", 10, None),
        (f"bytes={'9' * 30}-", 10, None),
    ],
)
def test_a_single_range_is_resolved(value: str | None, size: int, expected: object) -> None:
    assert resolve_range(value, size) == expected


@given(st.text(max_size=40), st.integers(0, 100))
def test_a_range_never_leaves_the_body(value: str, size: int) -> None:
    found = resolve_range(f"bytes={value}", size)
    if isinstance(found, ByteRange):
        assert 0 <= found.start < found.stop <= size


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ((("If-None-Match", '"a"'),), True),
        ((("If-None-Match", 'W/"a"'),), True),
        ((("If-None-Match", '"b", "a"'),), True),
        ((("If-None-Match", '"b"'), ("if-none-match", '"a"')), True),
        ((("If-None-Match", "*"),), True),
        ((("If-None-Match", '"b"'),), False),
        ((("If-None-Match", '"b"'), ("If-Modified-Since", "Wed, 01 Jan 2031 00:00:00 GMT")), False),
        ((("If-Modified-Since", "Wed, 01 Jan 2031 00:00:00 GMT"),), True),
        ((("If-Modified-Since", "Wed, 01 Jan 2020 00:00:00 GMT"),), False),
        ((("If-Modified-Since", "rubbish"),), False),
        ((), False),
    ],
)
def test_conditions_are_weighed(request_fields: tuple[tuple[str, str], ...], expected: bool) -> None:
    stored = (("ETag", '"a"'), ("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT"))
    assert not_modified(request_fields, stored) is expected


def test_if_range_needs_a_strong_match() -> None:
    assert range_applies((), (("ETag", '"a"'),))
    assert range_applies((("If-Range", '"a"'),), (("ETag", '"a"'),))
    assert not range_applies((("If-Range", 'W/"a"'),), (("ETag", 'W/"a"'),))
    assert not range_applies((("If-Range", '"b"'),), (("ETag", '"a"'),))


@pytest.mark.parametrize(
    ("accept", "native", "expected"),
    [
        (None, OCI_INDEX, True),
        ("*/*", OCI_INDEX, True),
        (f"{DOCKER_MANIFEST}, {OCI_INDEX};q=0.5", OCI_INDEX, True),
        (DOCKER_MANIFEST, OCI_INDEX, False),
        ("application/*", OCI_INDEX, True),
        (f"*/*, {OCI_INDEX};q=0", OCI_INDEX, False),
        (DOCKER_MANIFEST, "", True),
    ],
)
def test_accept_admits_a_media_type(accept: str | None, native: str, expected: bool) -> None:
    assert admits(accept, native) is expected


def test_the_accept_class_is_the_same_in_any_order() -> None:
    assert accept_class(f"{OCI_MANIFEST}, {DOCKER_LIST}") == accept_class(f"{DOCKER_LIST},{OCI_MANIFEST};q=0.1, x/y")


def test_hop_by_hop_fields_do_not_travel() -> None:
    fields = (("Connection", "X-Hop, close"), ("X-Hop", "1"), ("TE", "trailers"), ("X-End", "2"), ("Bad", "a\nb"))
    assert end_to_end(fields) == (("X-End", "2"),)


def test_content_length_is_one_number() -> None:
    assert content_length(()) is None
    assert content_length((("Content-Length", "4"), ("content-length", "4"))) == 4
    for value in ("+4", "4, 4", "1_0", "", "-1"):
        with pytest.raises(ValueError, match="one number"):
            content_length((("Content-Length", value),))


def test_printable_text_fits_a_reason_phrase() -> None:
    assert printable("a\r\nb\u2028é") == "a??b??"
    assert len(printable("x" * 999)) == 200
