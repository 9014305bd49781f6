"""What to do with a request, given the policy's decision and what is stored: a pure function of values and `now`."""

from dataclasses import dataclass
from typing import Literal, assert_never

from regproxy.freshness.lifetime import (
    Absent,
    Known,
    Validated,
    is_fresh,
    is_remembered,
    is_stale_while_revalidate,
    survives_errors,
)
from regproxy.model.decision import Cached, Decision, Denied, Passed, Terms


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve what is stored.

    `refresh`: stale, revalidate it meanwhile; `stale`: as stale as the client takes it; `negative`: it is an absence.
    """

    refresh: bool = False
    negative: bool = False
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Revalidate:
    """Ask the upstream whether what is stored still holds; after `within` seconds serve it stale and go on asking."""

    method: Literal["head", "etag", "full"]
    within: float | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Nothing usable is stored: get it."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Forward the request; store nothing."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the request here, with this status and sentence."""

    status: int
    text: str


Plan = Serve | Revalidate | Fetch | Pass | Refuse


def plan(decision: Decision, known: Known | None, now: float, *, only_if_cached: bool = False) -> Plan:
    """The next step for one request; lifetimes are the decision's, so a reload counts at once for what is stored."""
    match decision:
        case Denied(status=status, text=text):
            return Refuse(status, text)
        case Passed():
            return Pass()
        case Cached(terms=terms):
            step = _cached(terms, known, now)
            if only_if_cached and not isinstance(step, Serve):
                return Refuse(504, "only-if-cached, and nothing fresh is stored")
            return step
        case _:
            assert_never(decision)


def _cached(terms: Terms, known: Known | None, now: float) -> Plan:
    match known:
        case None:
            return Fetch()
        case Absent(status=status, since=since):
            return Serve(negative=True) if is_remembered(status, since, terms, now) else Fetch()
        case Validated(gone_at=gone_at):
            if now >= known.held_until and gone_at is not None and is_remembered(404, gone_at, terms, now):
                return Serve(negative=True)
            if is_fresh(known, terms, now):
                return Serve()
            if is_stale_while_revalidate(known, terms, now):
                return Serve(refresh=True)
            patient = gone_at is None and survives_errors(known, terms, now)
            return Revalidate(terms.revalidate.method, terms.revalidate.within if patient else None)
        case _:
            assert_never(known)
