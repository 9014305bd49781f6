"""What exporters of Docker Hub's limit call what we know of it: dashboards and alerts made for them go on."""

from collections.abc import Iterable

from regproxy.telemetry import labels as by
from regproxy.telemetry.metric import Metric
from regproxy.telemetry.tally import Sampled

_EXPORTERS = "dockerhub_limit_"


def _alias(of: str, name: str, sentence: str) -> tuple[str, Metric]:
    metric = Metric(name, "gauge", f"{sentence}: `{of}`.", (by.ACCOUNT,), known_later=True, prefix=_EXPORTERS)
    return of.removeprefix("regproxy_"), metric


# What each is in the catalogue. viadee's exporter and most others have the first two, kha7iq/drl-exporter all four.
# Gauges named as counters are: that is why nobody gets them unasked.
ALIASES = (
    _alias("regproxy_ratelimit_limit_pulls", "max_requests_total", "Pulls in a window"),
    _alias("regproxy_ratelimit_remaining_pulls", "remaining_requests_total", "Pulls left"),
    _alias("regproxy_ratelimit_window_seconds", "max_requests_time", "The seconds in which the limit counts"),
    _alias("regproxy_ratelimit_window_seconds", "remaining_requests_time", "The same seconds"),
)


def aliased(sampled: Iterable[Sampled], hub: str) -> tuple[Sampled, ...]:
    """The aliases of what was sampled of one registry: that of Docker Hub, as the policy names it."""
    known = {one.metric.name: one.counts for one in sampled}
    return tuple(
        Sampled(alias, tuple(((account,), value) for (registry, account), value in known[name] if registry == hub))
        for name, alias in ALIASES
    )
