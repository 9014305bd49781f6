"""The admin socket's call for the state of the whole: what runs, how full it is, what it saved."""

import time
from collections.abc import Callable, Iterable, Mapping

from regproxy import __version__
from regproxy.admin.route import Route
from regproxy.app.upstreams import UpstreamCalls
from regproxy.policy.policy import Policy
from regproxy.store.content import Store
from regproxy.telemetry.tally import Sampled, summed

Told = Mapping[str, object]


class StatusCalls:
    """Answers the call; `lacks` says why the proxy is not ready, `sampled` gives the counters."""

    def __init__(
        self,
        store: Store,
        upstreams: UpstreamCalls,
        policy: Callable[[], Policy],
        lacks: Callable[[], str | None],
        sampled: Callable[[], Iterable[Sampled]],
        fills: Callable[[], int],
    ) -> None:
        self._store = store
        self._upstreams = upstreams
        self._policy = policy
        self._lacks = lacks
        self._sampled = sampled
        self._fills = fills
        self._began = time.time()

    def routes(self) -> tuple[Route, ...]:
        """All calls."""
        return (Route("GET", "/status", self.status),)

    async def status(self, _query: Mapping[str, str]) -> Told:
        """Everything that fits on a screen."""
        policy, usage, sampled = self._policy(), self._store.usage(), tuple(self._sampled())
        return {
            "version": __version__,
            "state": self._lacks() or "ready",
            "since": self._began,
            "policy": {"name": policy.name, "checksum": policy.checksum, "tiers": len(policy.tiers)},
            "cache": {
                "bytes": usage.content,
                "reserved": usage.reserved,
                "entries": usage.entries,
                "limit": usage.limit,
            },
            "fetches": self._fills(),
            "requests": summed(sampled, "cache_requests", "outcome"),
            "response_bytes": summed(sampled, "response_bytes", "source"),
            "upstreams": self._upstreams.states(),
        }
