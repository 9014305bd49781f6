"""The metrics of what others allow us: 429s seen, pulls left, upstreams that are not asked."""

from typing import assert_never

from prometheus_client import CollectorRegistry, Counter, Gauge

from regproxy.model.event import BreakerChanged, QuotaObserved, UpstreamThrottled

REASONS = ("pull_limit", "abuse", "client")


class LimitMetrics:
    """Counts throttling and shows allowances; its owner bounds the `registry` label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"regproxy_{name}", text, ("registry", *labels), registry=registry)

        self._throttled = Counter(
            "regproxy_upstream_throttled", "Answers 429 from upstreams", ["registry", "reason"], registry=registry
        )
        self._remaining = gauge("registry_pulls_remaining", "Pulls left, as the registry last said", "account")
        self._limit = gauge("registry_pulls_limit", "Pulls in a window, as the registry last said", "account")
        self._observed = gauge(
            "registry_pulls_observed_timestamp_seconds", "When the registry last said what is left", "account"
        )
        self._open = gauge("upstream_breaker_open", "Authorities that are not asked because they failed in a row")

    def name(self, registry: str) -> None:
        """Let the series of a registry be there before anything happens."""
        self._open.labels(registry)
        for reason in REASONS:
            self._throttled.labels(registry, reason)

    def observe(self, registry: str, event: UpstreamThrottled | QuotaObserved | BreakerChanged) -> None:
        """Count one event; the account is ours or one that the policy names."""
        match event:
            case UpstreamThrottled(reason=reason):
                self._throttled.labels(registry, reason).inc()
            case QuotaObserved(account=account, limit=limit, remaining=remaining, at=at):
                self._remaining.labels(registry, account).set(remaining)
                self._limit.labels(registry, account).set(limit)
                self._observed.labels(registry, account).set(at)
            case BreakerChanged(is_open=is_open):
                self._open.labels(registry).inc(1 if is_open else -1)
            case _:
                assert_never(event)
