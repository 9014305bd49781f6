"""What an answer is served stale for: what became of asking the upstream, in a word."""

from typing import Literal, assert_never

from regproxy.model.decision import FailureClass
from regproxy.model.event import Outcome
from regproxy.model.stale import Stale, StaleReason
from regproxy.upstream.failure import NotAsked, UpstreamFailed

# How asking ended: with a failure, with a status, or not within the time that the tier gives it.
# `client`: it was not asked, for the client takes stale answers.
Asked = UpstreamFailed | int | Literal["client"] | None
_TOO_MANY = 429


def stale(outcome: Outcome, seconds: float, asked: Asked = None) -> Stale | None:
    """How stale an answer of this outcome is; None where it is not stale."""
    match outcome:
        case Outcome.SWR:
            return Stale("while_revalidate", seconds)
        case Outcome.STALE:
            return Stale(_reason(asked), seconds)
        case _:
            return None


def _reason(asked: Asked) -> StaleReason:
    match asked:
        case None:
            return "upstream_timeout"
        case int():
            return "rate_limited" if asked == _TOO_MANY else "upstream_error"
        case "client":
            return "client"
        case NotAsked():
            return "circuit_open"
        case UpstreamFailed(failure=failure):
            return "upstream_timeout" if failure is FailureClass.TIMEOUT else "upstream_error"
        case _:
            assert_never(asked)
