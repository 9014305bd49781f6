"""Refusals that say why twice: in the reason phrase, for CONNECT and HEAD, and in the OCI error body, for GET."""

import json

from regproxy.model.message import Fields, Head, printable


def refusal(status: int, code: str, sentence: str, fields: Fields = ()) -> tuple[Head, bytes]:
    """Head and body of a refusal; `code` is an OCI error code (distribution-spec, error codes)."""
    text = printable(sentence)
    body = json.dumps({"errors": [{"code": code, "message": text, "detail": None}]}).encode() + b"\n"
    return Head(status, (("Content-Type", "application/json"), *fields), text), body
