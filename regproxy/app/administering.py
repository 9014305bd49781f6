"""The admin socket and addresses while the proxy runs: opened, served and taken away."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from regproxy.admin.api import Api, Audit
from regproxy.admin.door import Door
from regproxy.admin.site import Site
from regproxy.admin.token import TokenFile
from regproxy.app.activity import ActivityCalls
from regproxy.app.administration import administration
from regproxy.app.core import Core
from regproxy.app.grants import GrantCalls
from regproxy.app.images import ImageCalls
from regproxy.app.listeners import bind_unix, reached_by
from regproxy.app.live import Live
from regproxy.app.prefetching import Prefetching
from regproxy.app.status import StatusCalls
from regproxy.app.tracing import trace_routes
from regproxy.app.upstreams import UpstreamCalls
from regproxy.policy.policy import Policy
from regproxy.reload.reloader import Reloader
from regproxy.settings.admin import AdminSettings
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
    audit: Audit


class Administration:
    """Serves the calls on a Unix socket, which goes with it, and on addresses that are bound already."""

    def __init__(self, settings: AdminSettings, bound: list[socket.socket], administered: Administered) -> None:
        self._path = settings.socket
        self.warning = ""
        self._sites: list[Site] = []
        api, audit = _api(administered), administered.audit
        if settings.token_file is not None and bound:
            names = (*settings.names, *(address.host for address in reached_by(bound)))
            self._open(Site(api, Door(names, TokenFile(settings.token_file)), audit), bound)
        if self._path is not None:
            try:
                self._open(Site(api, Door(settings.names), audit), [bind_unix(self._path)])
            except OSError as error:
                # Without it the proxy still serves.
                self._path, self.warning = None, f"no admin socket: {error}"

    def _open(self, site: Site, sockets: list[socket.socket]) -> None:
        site.start(sockets)
        self._sites.append(site)

    async def close(self) -> None:
        """Take the socket away, and end what is being answered."""
        if self._path is not None:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
        await asyncio.gather(*(site.stop() for site in self._sites))


def _api(administered: Administered) -> Api:
    core, policy = administered.core, administered.policy
    cache = core.cache
    upstreams = UpstreamCalls(core.standing, core.upstream, policy, administered.metrics.lately)
    sampled, fills = administered.metrics.sampled, lambda: cache.fills
    status = StatusCalls(core.store, upstreams, policy, administered.lacks, sampled, fills)
    activity = ActivityCalls(cache, policy, sampled)
    images = ImageCalls(cache.images, cache.purging)
    prefetching = Prefetching(cache.images, cache.prefetch, core.spawn)
    grants = GrantCalls(cache.granted, policy)
    calls = (status, images, prefetching, grants, upstreams, activity)
    policies = administration(Live(cache, policy), administered.reloader, administered.trust)
    traces = trace_routes(administered.traces, policy)
    return Api((*policies, *traces, *(route for some in calls for route in some.routes())), administered.audit)
