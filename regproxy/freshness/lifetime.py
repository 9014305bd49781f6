"""Age and the three windows of a stored answer (RFC 9111 §4.2, RFC 5861), counted from its last validation."""

import math
from dataclasses import dataclass

from regproxy.model.decision import Terms


@dataclass(frozen=True, slots=True)
class Validated:
    """A stored answer: when the upstream last confirmed it, and since when it says that the name is gone.

    `expired_at`, `held_until`: what the operator said of it, as in `Override`.
    """

    validated_at: float
    gone_at: float | None = None
    expired_at: float | None = None
    held_until: float = 0.0

    @property
    def is_expired(self) -> bool:
        """Whether the operator wants it asked for, and nobody has since."""
        return self.expired_at is not None and self.validated_at < self.expired_at


@dataclass(frozen=True, slots=True)
class Absent:
    """A remembered 404 or 410 without a stored answer."""

    status: int
    since: float


Known = Validated | Absent


def age(validated_at: float, now: float) -> float:
    """Seconds since the last validation; a validation in the future (the clock went back) counts as forever ago."""
    return now - validated_at if now >= validated_at else math.inf


def is_fresh(known: Validated, terms: Terms, now: float) -> bool:
    """Whether the answer may be served without asking; nothing is ever fresh for 0 s."""
    if now < known.held_until:
        return True
    if known.is_expired:
        return False
    return known.gone_at is None and (terms.lifetime == math.inf or age(known.validated_at, now) < terms.lifetime)


def staleness(known: Validated, terms: Terms, now: float) -> float:
    """Seconds since the answer was last fresh; 0.0 where that is not known, for the clock went back."""
    return max(0.0, now - known.validated_at - terms.lifetime)


def fresh_until(known: Validated, terms: Terms, now: float) -> float:
    """Until when the answer may be served without asking; 0.0 when it may not be now."""
    if not is_fresh(known, terms, now):
        return 0.0
    if now < known.held_until:
        return known.held_until
    return math.inf if terms.lifetime == math.inf else known.validated_at + terms.lifetime


def is_stale_while_revalidate(known: Validated, terms: Terms, now: float) -> bool:
    """Whether the answer may be served while it is revalidated behind the client's back."""
    window = terms.lifetime + terms.stale_while_revalidate
    return known.gone_at is None and not known.is_expired and age(known.validated_at, now) < window


def survives_errors(known: Validated, terms: Terms, now: float) -> bool:
    """Whether the answer may stand in for a failed upstream: the window is counted from the end of freshness."""
    stale = terms.stale_if_error
    if stale is None:
        return False
    if stale.duration == math.inf:
        return True
    if now < known.validated_at:
        # The true age is unknown; what was valid "in the future" is at least not older than the clock's step.
        return known.validated_at - now <= stale.duration
    left = terms.lifetime
    if known.expired_at is not None and known.is_expired:
        left = min(left, known.expired_at - known.validated_at)
    return age(known.validated_at, now) < left + stale.duration


def is_remembered(status: int, since: float, terms: Terms, now: float) -> bool:
    """Whether a negative answer of that time still stands."""
    negative = terms.negative
    return negative is not None and status in negative.statuses and age(since, now) < negative.duration
