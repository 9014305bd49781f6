"""What is counted of the pulls that registries allow: how many are left, spent, and until when none is allowed."""

from typing import assert_never

from regproxy.model.event import QuotaObserved
from regproxy.model.pull_event import HoldChanged, LayersPrefetched, PullFinished, PullSpent
from regproxy.telemetry.tally import Tally


class PullMetrics:
    """Counts them by registry and account: ours, one that the policy names, or all logins of callers as one."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def observe(self, event: QuotaObserved | HoldChanged | PullSpent | PullFinished | LayersPrefetched) -> None:
        """Count one event."""
        match event:
            case QuotaObserved():
                self._set("limit_pulls", event, event.limit)
                self._set("remaining_pulls", event, event.remaining)
                self._set("observed_timestamp_seconds", event, event.at)
                if event.window:
                    self._set("window_seconds", event, event.window)
            case HoldChanged(until=until):
                self._set("retry_at_timestamp_seconds", event, until)
            case PullSpent(registry=registry, account=account):
                self._tally.count("ratelimit_spent_pulls", registry, account).value += 1
            case PullFinished(registry=registry, outcome=outcome):
                self._tally.count("pulls", registry, outcome).value += 1
            case LayersPrefetched(registry=registry, bytes=size):
                self._tally.count("prefetched_bytes", registry).value += size
            case _:
                assert_never(event)

    def _set(self, name: str, event: QuotaObserved | HoldChanged, value: float) -> None:
        self._tally.count(f"ratelimit_{name}", event.registry, event.account).value = value
