"""What to do with a stored response where the origin decides (RFC 9111 §4): pure functions of values and `now`.

The tier's `stale …` adds windows to those of the origin (RFC 5861); what forbids staleness forbids all of them.
"""

import math
from typing import assert_never

from regproxy.freshness.directives import Directives, request_directives
from regproxy.freshness.origin import Response, age, lifetime, may_be_stale
from regproxy.freshness.plan import Fetch, Refuse, Revalidate, Serve
from regproxy.freshness.verdict import Answered, Failed
from regproxy.model.decision import Terms
from regproxy.model.message import Fields

# RFC 5861 §4: what `stale-if-error` of a response calls an error.
_ERRORS = frozenset({500, 502, 503, 504})

Reuse = Serve | Revalidate | Fetch | Refuse


def reuse(response: Response | None, request: Fields, terms: Terms, now: float) -> Reuse:
    """The next step for a GET or HEAD; `response` is the variant that its fields select."""
    asked = request_directives(request)
    step = _reuse(response, asked, terms, now) if response is not None else Fetch()
    if "only-if-cached" in asked and not isinstance(step, Serve):
        return Refuse(504, "only-if-cached, and nothing fresh is stored")
    return step


def _reuse(response: Response, asked: Directives, terms: Terms, now: float) -> Serve | Revalidate:
    old = age(response, now)
    left = lifetime(response) - old
    if response.told.unqualified("no-cache") or "no-cache" in asked:
        return Revalidate("etag", None)
    contents = old <= _limit(asked, "max-age", math.inf) and left >= _limit(asked, "min-fresh", -math.inf)
    if left > 0 and (contents or _is_reload(response, asked)):
        return Serve()
    if left > 0 or not may_be_stale(response):
        return Revalidate("etag", None)
    if contents and -left <= _max_stale(asked):
        return Serve(stale=True)
    if contents and -left < _window(response, "stale-while-revalidate", terms.stale_while_revalidate):
        return Serve(refresh=True)
    rule = terms.stale_if_error
    patient = _within(-left, _window(response, "stale-if-error", rule.duration if rule is not None else 0.0))
    return Revalidate("etag", terms.revalidate.within if patient else None)


def stands_in(response: Response | None, terms: Terms, upstream: Answered | Failed, now: float) -> bool:
    """Whether the stored response may stand in for an origin that failed (§4.2.4, RFC 5861 §4)."""
    if response is None or not may_be_stale(response):
        return False
    rule = terms.stale_if_error
    match upstream:
        case Failed(failure=failure):
            is_error, listed = True, rule is not None and failure in rule.on.classes
        case Answered(status=status):
            is_error, listed = status in _ERRORS, rule is not None and status in rule.on.statuses
        case _:
            assert_never(upstream)
    stale_for = age(response, now) - lifetime(response)
    by_origin = is_error and stale_for < (response.told.seconds("stale-if-error") or 0.0)
    return by_origin or (listed and rule is not None and _within(stale_for, rule.duration))


def _window(response: Response, name: str, tier: float) -> float:
    return max(response.told.seconds(name) or 0.0, tier)


def _within(stale_for: float, window: float) -> bool:
    return window == math.inf or stale_for < window


def _limit(asked: Directives, name: str, otherwise: float) -> float:
    seconds = asked.seconds(name)
    return otherwise if seconds is None else seconds


def _max_stale(asked: Directives) -> float:
    """How stale the client takes it (§5.2.1.2); without a value, as stale as it may be."""
    if "max-stale" not in asked:
        return -math.inf
    return math.inf if asked.values["max-stale"] is None else asked.seconds("max-stale") or 0.0


def _is_reload(response: Response, asked: Directives) -> bool:
    """A plain reload of what the origin says will not change while it is fresh (RFC 8246 §2)."""
    return "immutable" in response.told and asked.seconds("max-age") == 0.0 and "min-fresh" not in asked
