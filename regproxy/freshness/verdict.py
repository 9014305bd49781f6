"""What to do with the upstream's answer, or with its failure: a pure function of values and `now`."""

from dataclasses import dataclass
from typing import assert_never

from regproxy.freshness.lifetime import Absent, Known, Validated, survives_errors
from regproxy.model.decision import FailureClass, Terms


@dataclass(frozen=True, slots=True)
class Same:
    """304, or a HEAD that names the digest we have."""


@dataclass(frozen=True, slots=True)
class New:
    """200: another answer than the stored one, or the first."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Any other status."""

    status: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No usable answer."""

    failure: FailureClass


Upstreamed = Same | New | Answered | Failed


@dataclass(frozen=True, slots=True)
class Store:
    """Keep the new answer and serve it."""


@dataclass(frozen=True, slots=True)
class Freshen:
    """What is stored is valid again; serve it."""


@dataclass(frozen=True, slots=True)
class ServeStale:
    """Serve what is stored although it is stale."""


@dataclass(frozen=True, slots=True)
class Relay:
    """Give the client the upstream's answer or failure; `remember`: negatively."""

    remember: bool = False


Verdict = Store | Freshen | ServeStale | Relay

ABSENCES = frozenset({404, 410})


def judge(terms: Terms, known: Known | None, upstream: Upstreamed, now: float) -> Verdict:
    """Decide before any byte is sent.

    401 and 403 are answers about the caller: they are masked only where the tier lists them, and never by default.
    A gone name is not resurrected by an outage: only a tier that lists 404 serves it.
    """
    match upstream:
        case Same():
            return Freshen()
        case New():
            return Store()
        case Answered(status=status):
            if _lists_status(terms, status) and _may_stand_in(terms, known, now, resurrect=status in ABSENCES):
                return ServeStale()
            return Relay(remember=status in ABSENCES and terms.negative is not None)
        case Failed(failure=failure):
            stale = terms.stale_if_error
            listed = stale is not None and failure in stale.on.classes
            return ServeStale() if listed and _may_stand_in(terms, known, now, resurrect=False) else Relay()
        case _:
            assert_never(upstream)


def _lists_status(terms: Terms, status: int) -> bool:
    return terms.stale_if_error is not None and status in terms.stale_if_error.on.statuses


def _may_stand_in(terms: Terms, known: Known | None, now: float, *, resurrect: bool) -> bool:
    match known:
        case None | Absent():
            return False
        case Validated(gone_at=gone_at):
            return (gone_at is None or resurrect) and survives_errors(known, terms, now)
        case _:
            assert_never(known)
