"""The admin socket while the proxy runs: opened, served and taken away."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from regproxy.admin.api import Api
from regproxy.app.administration import administration
from regproxy.app.core import Core
from regproxy.app.grants import GrantCalls
from regproxy.app.images import ImageCalls
from regproxy.app.listeners import bind_unix
from regproxy.app.live import Live
from regproxy.app.prefetching import Prefetching
from regproxy.app.status import StatusCalls
from regproxy.app.tracing import trace_routes
from regproxy.app.upstreams import UpstreamCalls
from regproxy.policy.policy import Policy
from regproxy.reload.reloader import Reloader
from regproxy.telemetry.metrics import Metrics
from regproxy.telemetry.traces import Traces


@dataclass(frozen=True, slots=True)
class Administered:
    """What the calls ask, of the running proxy; `trust` says how clients take the CA, `lacks` why it is not ready."""

    core: Core
    policy: Callable[[], Policy]
    reloader: Reloader | None
    metrics: Metrics
    traces: Traces
    trust: Callable[[], Mapping[str, object]]
    lacks: Callable[[], str | None]


class AdminSocket:
    """Serves the calls on a Unix socket at `path`, which goes with it."""

    def __init__(self, path: Path, administered: Administered) -> None:
        """Raises OSError when the path cannot be listened on."""
        self._path = path
        listening = bind_unix(path)
        self._api = _api(administered)
        self._api.start([listening])

    async def close(self) -> None:
        """Take the socket away, and end what is being answered."""
        await asyncio.to_thread(self._path.unlink, missing_ok=True)
        await self._api.stop()


def _api(administered: Administered) -> Api:
    core, policy = administered.core, administered.policy
    cache = core.cache
    upstreams = UpstreamCalls(core.standing, core.upstream, policy)
    sampled, fills = administered.metrics.sampled, lambda: cache.fills
    status = StatusCalls(core.store, upstreams, policy, administered.lacks, sampled, fills)
    images = ImageCalls(cache.images, cache.purging)
    prefetching = Prefetching(cache.images, cache.prefetch, core.spawn)
    grants = GrantCalls(cache.granted, policy)
    traces = trace_routes(administered.traces, policy)
    calls = (status, images, prefetching, grants, upstreams)
    routes = (*(route for some in calls for route in some.routes()), *traces)
    return administration(Live(cache, policy), administered.reloader, administered.trust, routes)
