"""The word for how a request is answered, from what was planned and what the upstream said: pure functions."""

from typing import assert_never

from regproxy.freshness.lifetime import Known, Validated
from regproxy.freshness.plan import Serve
from regproxy.freshness.verdict import Failed, Freshen, Relay, ServeStale, Store, Upstreamed, judge
from regproxy.model.decision import Terms
from regproxy.model.event import Outcome


def outcome_of_serving(step: Serve) -> Outcome:
    """How a request is answered from what is stored, without waiting for the upstream."""
    if step.negative:
        return Outcome.NEGATIVE
    if step.stale:
        return Outcome.STALE
    return Outcome.SWR if step.refresh else Outcome.HIT


def outcome_of_asking(terms: Terms, known: Known | None, upstream: Upstreamed, now: float) -> Outcome:
    """How a request is answered that waited for the upstream: the verdict in a word.

    A relayed answer is a `miss`, whatever its status; only where there is none to relay it is an `error`.
    """
    verdict = judge(terms, known, upstream, now)
    match verdict:
        case Freshen():
            return Outcome.REVALIDATED
        case Store():
            return Outcome.EXPIRED if isinstance(known, Validated) else Outcome.MISS
        case ServeStale():
            return Outcome.STALE
        case Relay():
            return Outcome.ERROR if isinstance(upstream, Failed) else Outcome.MISS
        case _:
            assert_never(verdict)
