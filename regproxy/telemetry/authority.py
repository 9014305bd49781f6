"""The metrics of the CA: how its reloads went. Its end is a gauge of the program's."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from regproxy.model.event import CaNoticed, CaReloaded

RESULTS = ("success", "unchanged", "failure")


class CaMetrics:
    """Counts reloads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reloads = Counter("regproxy_ca_reloads", "Reloads of the CA's files", ["result"], registry=registry)
        self._successful = Gauge(
            "regproxy_ca_last_reload_successful", "Whether what the CA's files hold is in force", registry=registry
        )
        self._successful.set(1)
        for result in RESULTS:
            self._reloads.labels(result)

    def observe(self, event: CaReloaded | CaNoticed) -> None:
        """Count one reload; what dates say is a gauge already."""
        if isinstance(event, CaNoticed):
            return
        self._reloads.labels(event.result).inc()
        self._successful.set(int(event.result != "failure"))
