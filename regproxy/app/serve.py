"""One run of the proxy: from a chosen policy and bound sockets to the last connection closed."""

import asyncio
import signal
import socket
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from regproxy import __version__
from regproxy.admin.health import Health
from regproxy.app.core import Core
from regproxy.app.listeners import reached_by
from regproxy.app.pages import Pages
from regproxy.model.event import Event
from regproxy.policy.policy import Policy
from regproxy.proxy.edge import Edge
from regproxy.proxy.listener import Listener
from regproxy.settings.serve import ServeSettings
from regproxy.telemetry.access_log import AccessLog
from regproxy.telemetry.metrics import Metrics
from regproxy.tls.authority import CertificateAuthority
from regproxy.tls.contexts import Contexts


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that can fail with a clear message has succeeded: what `run` needs."""

    settings: ServeSettings
    policy: Policy
    ca: CertificateAuthority
    proxy_sockets: list[socket.socket]
    metrics_sockets: list[socket.socket]
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


class Service:
    """The running proxy; owns every part."""

    def __init__(self, prepared: Prepared, log: AccessLog) -> None:
        self._prepared = prepared
        self._log = log
        self._metrics = Metrics((registry.name for registry in prepared.policy.registries), __version__)
        self._state = "starting"

    def _report(self, event: Event) -> None:
        self._metrics.observe(event)
        self._log.observe(event)

    async def run(self, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
        """Serve until `stop`, drain, and return; `stop_now` cuts the draining short."""
        prepared = self._prepared
        settings = prepared.settings
        health = Health(self._metrics.render, lambda: None if self._state == "ready" else self._state)
        health.start(prepared.metrics_sockets)
        listeners = reached_by([*prepared.proxy_sockets, *prepared.metrics_sockets])
        core = await Core.open(settings.cache_directory, lambda: prepared.policy, self._report, listeners)
        self._gauges(core)
        contexts = Contexts(prepared.ca, time.time)
        pages = Pages(prepared.ca.pem, prepared.ca.fingerprint)
        edge = Edge(core.cache, contexts.context, pages.page, settings.cache_directory, listeners)
        listener = Listener(edge, prepared.proxy_sockets)
        listener.start()
        self._state = "ready"
        self._announce()
        try:
            await stop.wait()
            self._state = "draining"
            self._log.line({"event": "stop", "message": f"draining for at most {settings.drain:g} s"})
            await _first(listener.drain(settings.drain), stop_now.wait())
        finally:
            await listener.drain(0)
            await core.close()
            await health.stop()
        self._log.line({"event": "stop", "message": "stopped"})

    def _announce(self) -> None:
        for sentence in self._prepared.sentences:
            self._log.line({"event": "start", "message": sentence})
        for warning in self._prepared.warnings:
            self._log.line({"event": "warning", "message": warning})
        addresses = ", ".join(self._prepared.settings.listen)
        self._log.line({"event": "start", "message": f"regproxy {__version__} listens on {addresses}"})

    def _gauges(self, core: Core) -> None:
        gauge, usage = self._metrics.gauge, core.store.usage
        gauge("cache_content_bytes", "Bytes that content takes on disk", lambda: usage().content)
        gauge("cache_reserved_bytes", "Bytes set aside for what is being fetched", lambda: usage().reserved)
        gauge("cache_entries", "Contents on disk", lambda: usage().entries)
        gauge("cache_limit_bytes", "The size limit of the cache", lambda: usage().limit)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first of these ends; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def serve(prepared: Prepared, log: AccessLog) -> None:
    """Run until SIGTERM or SIGINT; a second one does not wait for the draining."""
    asyncio.run(_serve(prepared, log))


async def _serve(prepared: Prepared, log: AccessLog) -> None:
    stop, stop_now = asyncio.Event(), asyncio.Event()

    def stopping() -> None:
        (stop_now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping)
    await Service(prepared, log).run(stop, stop_now)
