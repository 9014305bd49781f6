"""Refusals that say why twice: in the reason phrase, for CONNECT and HEAD, and in the OCI error body, for GET."""

import json
from typing import assert_never

from regproxy.model.decision import FailureClass
from regproxy.model.message import Fields, Head, printable


def refusal(status: int, code: str, sentence: str, fields: Fields = ()) -> tuple[Head, bytes]:
    """Head and body of a refusal; `code` is an OCI error code (distribution-spec, error codes)."""
    text = printable(sentence)
    body = json.dumps({"errors": [{"code": code, "message": text, "detail": None}]}).encode() + b"\n"
    return Head(status, (("Content-Type", "application/json"), *fields), text), body


def failure_status(failure: FailureClass) -> int:
    """The status for a failure class (RFC 9110 §15.6.3, §15.6.5)."""
    match failure:
        case FailureClass.TIMEOUT:
            return 504
        case FailureClass.DNS | FailureClass.CONNECT | FailureClass.TLS | FailureClass.RESET | FailureClass.CREDENTIAL:
            return 502
        case _:
            assert_never(failure)
