"""Refusals say why twice."""

import json

from regproxy.model.refusal import refusal


def test_a_refusal_says_why_in_the_reason_phrase_and_in_the_body() -> None:
    head, body = refusal(403, "DENIED", "tier latest: pin a digest\r\nX: y")
    assert head.reason == "tier latest: pin a digest??X: y"
    assert json.loads(body)["errors"][0] == {"code": "DENIED", "message": head.reason, "detail": None}
