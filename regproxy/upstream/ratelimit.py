"""Reading what a registry says of its limits: the ratelimit fields, Retry-After, and which limit a 429 is about."""

import json
import re
from dataclasses import dataclass
from typing import Literal

from regproxy.model.date import http_date
from regproxy.model.message import Fields, Head, field
from regproxy.upstream.request import UpstreamRequest

MAX_LIMIT_BODY = 64 * 1024
MIN_HOLD_SECONDS, MAX_HOLD_SECONDS = 1.0, 900.0
_COUNT = re.compile(r"[ \t]*(\d{1,9})[ \t]*(?:;[ \t]*w=(\d{1,9})[ \t]*)?(?:;.*)?\Z")
_SECONDS = re.compile(r"\d{1,18}\Z")
# Docker Hub's own words; other registries use the same code for what is no pull limit.
_CODE, _TEXT = "TOOMANYREQUESTS", "pull rate limit"

Reason = Literal["pull_limit", "abuse"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """Pulls that an account has, as a registry last told it; `window` in seconds, 0 where it did not say."""

    limit: int
    remaining: int
    window: int
    observed_at: float


def read_allowance(fields: Fields, now: float) -> Allowance | None:
    """The allowance in the fields of an answer (`100;w=21600`, or a bare number); None where there is none."""
    limit = _COUNT.match(field(fields, "ratelimit-limit") or "")
    remaining = _COUNT.match(field(fields, "ratelimit-remaining") or "")
    if limit is None or remaining is None:
        return None
    window = int(remaining[2] or limit[2] or 0)
    return Allowance(int(limit[1]), int(remaining[1]), window, now)


def read_retry_after(fields: Fields, now: float) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110 §10.2.3), a number or a date, 1 s to 15 min; None where it says nothing.

    A date in the past is the shortest wait.
    """
    value = (field(fields, "retry-after") or "").strip()
    seconds: float | None
    if _SECONDS.match(value):
        seconds = float(value)
    else:
        date = http_date(value) if value[:1].isalpha() else None
        seconds = None if date is None else date - now
    return None if seconds is None else min(max(seconds, MIN_HOLD_SECONDS), MAX_HOLD_SECONDS)


def is_pull(request: UpstreamRequest) -> bool:
    """Whether registries count this request: they count GETs of manifests, and a HEAD is free."""
    return request.purpose == "manifest" and request.method == "GET"


def reason_of(request: UpstreamRequest, head: Head, body: bytes) -> Reason:
    """Which limit a 429 is about: a pull limit says so, on a request that counts; all else is a limit on requests."""
    if not is_pull(request):
        return "abuse"
    code, text = _said(body)
    allowance = read_allowance(head.fields, 0.0)
    exhausted = allowance is not None and allowance.remaining == 0
    return "pull_limit" if code == _CODE and (exhausted or _TEXT in text.lower()) else "abuse"


def _said(body: bytes) -> tuple[str, str]:
    """Code and message of the first error in an OCI error body; empty for any other body."""
    try:
        error = json.loads(body)["errors"][0]
        return str(error.get("code")), str(error.get("message"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""
