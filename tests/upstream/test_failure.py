"""The table from libcurl's numbers to the language's classes."""

import errno

import pytest

from regproxy.model.decision import FailureClass
from regproxy.upstream.failure import UpstreamFailed, cause_of, class_of


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (6, FailureClass.DNS),
        (7, FailureClass.CONNECT),
        (28, FailureClass.TIMEOUT),
        (35, FailureClass.TLS),
        (60, FailureClass.TLS),
        (77, FailureClass.TLS),
        (1, FailureClass.RESET),
        (8, FailureClass.RESET),
        (16, FailureClass.RESET),
        (18, FailureClass.RESET),
        (52, FailureClass.RESET),
        (55, FailureClass.RESET),
        (56, FailureClass.RESET),
        (100, FailureClass.RESET),
    ],
)
def test_every_number_has_a_class(number: int, failure: FailureClass) -> None:
    assert class_of(number) is failure


@pytest.mark.parametrize(
    ("number", "message", "os_errno", "cause"),
    [
        (7, "Failed to connect", errno.ECONNREFUSED, "connection refused"),
        (7, "Failed to connect", 0, "Failed to connect"),
        (6, "Could not resolve host: x", 0, "the name does not resolve"),
        (
            60,
            "SSL certificate problem: no issuer",
            0,
            "SSL certificate problem: no issuer; name its CA by tls { ca file }",
        ),
        (60, "SSL: no subject name matches", 0, "SSL: no subject name matches"),
        (99, "", 0, "libcurl error 99"),
    ],
)
def test_the_cause_is_in_words(number: int, message: str, os_errno: int, cause: str) -> None:
    assert cause_of(number, message, os_errno) == cause


def test_a_detail_is_printable_and_bounded() -> None:
    failed = UpstreamFailed(FailureClass.TLS, "registry.test: \r\nX: \x1b[1m" + "y" * 1000)
    assert failed.detail.isprintable()
    assert failed.detail.isascii()
    assert len(failed.detail) == 300
    assert str(failed) == failed.detail
