"""One run of the proxy: from a chosen policy and bound sockets to the last connection closed."""

import asyncio
import gc
import os
import platform
import signal
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from regproxy import __version__
from regproxy.admin.health import Health
from regproxy.app.administering import Administered, Administration
from regproxy.app.capacity import capacity, claim_descriptors
from regproxy.app.certification import ca_steps
from regproxy.app.core import Core
from regproxy.app.former_ca import remember
from regproxy.app.front import Front, front
from regproxy.app.handed import Handed
from regproxy.app.lasting import lasting
from regproxy.app.listeners import Sockets, reached_by
from regproxy.app.notify import Notifier
from regproxy.app.pulse import Heart
from regproxy.app.reloading import reload_steps
from regproxy.app.scrape import Scrape
from regproxy.app.seam import Seam
from regproxy.app.spanning import spans_to
from regproxy.app.start import Start, own_certificate
from regproxy.model.address import Authority
from regproxy.model.event import Event, PolicyStarted
from regproxy.model.measure import CaMeasured, ClientsMeasured, LogMeasured
from regproxy.reload.active import Active
from regproxy.reload.authority import RunningCa
from regproxy.reload.reloader import Reloader
from regproxy.reload.watcher import Watcher
from regproxy.settings.serve import ServeSettings
from regproxy.setup.facts import probe
from regproxy.telemetry.access_log import AccessLog
from regproxy.telemetry.crowding import Crowding
from regproxy.telemetry.gateway import Gateway
from regproxy.telemetry.metrics import Metrics
from regproxy.telemetry.pulls import Pulls
from regproxy.telemetry.sightings import Sightings
from regproxy.telemetry.traces import Traces
from regproxy.telemetry.trust import TrustTally
from regproxy.tls.directory import Holdings
from regproxy.tls.seal import Seal
from regproxy.upstream.versions import installed_versions
from regproxy.wire.frames import VERSION, Welcome

HUB = Authority("registry-1.docker.io", 443)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that can fail with a clear message has succeeded: what `run` needs."""

    settings: ServeSettings
    start: Start
    holdings: Holdings
    proxy_sockets: Sockets
    metrics_sockets: list[socket.socket]
    admin_sockets: list[socket.socket]
    # What the parent handed over, where edges are processes of their own.
    handed: Handed | None = None


class Service:
    """The running proxy; owns every part."""

    def __init__(self, prepared: Prepared, log: AccessLog) -> None:
        self._prepared = prepared
        self._log = log
        self._active = Active(prepared.start.policy)
        policy = prepared.start.policy
        names = (registry.name for registry in policy.registries), (tier.name for tier in policy.tiers)
        build = (__version__, platform.python_version(), installed_versions()["libcurl"], ssl.OPENSSL_VERSION)
        self._metrics = Metrics(*names, build, time.time)
        self._trust = TrustTally(time.time)
        self._sightings = Sightings(time.time)
        self._notifier = Notifier(os.environ, self._lacks)
        self._pulls = Pulls(time.monotonic)
        self._gateway = Gateway(lambda: self._active.policy.looks_at_addresses, self._warn)
        self._crowding = Crowding(time.monotonic, self._warn)
        self._traces = Traces(time.time)
        self._spans = spans_to(prepared.settings.otel_endpoint, self._warn)
        self._reloader: Reloader | None = None
        self._ca: RunningCa | None = None
        self._watchers: list[Watcher] = []
        self._watching: list[asyncio.Task[None]] = []
        self._state = "starting"
        self._front: Front | None = None

    def _warn(self, sentence: str) -> None:
        self._log.line({"event": "warning", "message": sentence})

    def _report(self, event: Event) -> None:
        self._metrics.observe(event)
        self._trust.observe(event)
        self._sightings.observe(event)
        self._notifier.observe(event)
        self._pulls.observe(event)
        self._gateway.observe(event)
        self._crowding.observe(event)
        self._traces.observe(event)
        if self._spans is not None:
            self._spans.observe(event)
        self._log.observe(event)

    async def run(self, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
        """Serve until `stop`, drain, and return; `stop_now` cuts the draining short."""
        prepared = self._prepared
        settings = prepared.settings
        self._log.gather(asyncio.get_running_loop().call_soon)
        scrape = Scrape(self._metrics, self._hub)
        health = Health(scrape.page, self._lacks)
        health.start(prepared.metrics_sockets)
        listeners = reached_by([*prepared.proxy_sockets, *prepared.metrics_sockets, *prepared.admin_sockets])
        directory = settings.cache_directory
        helpers, ipv6 = settings.helper_directory, settings.ipv6
        core = await Core.open(
            directory, lambda: self._active.policy, self._report, listeners, self._seal, helpers=helpers, ipv6=ipv6
        )
        steps = ca_steps(settings, lambda: self._active.policy, lambda new: self._renew(core, new), self._report)
        ca = self._ca = RunningCa(prepared.holdings, steps)
        remember(directory, ca.holdings.ca.fingerprint)
        scrape.ask_slow(core.store.measure)
        scrape.ask(core.measure)
        scrape.ask(lambda: (CaMeasured(ca.holdings.ca.not_after), LogMeasured(self._log.dropped)))
        scrape.ask(lambda: (ClientsMeasured(self._gateway.share),))
        await self._watch(core, ca)
        own = own_certificate(settings.tls)
        seam = Seam(core.cache, core.tunnels, lambda: ca.holdings, own, time.time, self._sightings.of)
        self._front = front(seam, lambda: self._welcome(listeners, ca), prepared.proxy_sockets, prepared.handed)
        self._front.start()
        self._begin("measuring", self._heart(self._front).run)
        admin = self._administer(core, ca)
        self._state = "ready"
        self._announce()
        notifying = asyncio.get_running_loop().create_task(self._notifier.run())
        try:
            await stop.wait()
            self._state = "draining"
            self._notifier.stopping()
            self._log.line({"event": "stop", "message": f"draining for at most {settings.drain:g} s"})
            await _first(self._front.drain(settings.drain), stop_now.wait())
        finally:
            notifying.cancel()
            await self._stop_watching()
            await admin.close()
            await self._front.drain(0)
            for pull in self._pulls.ended(all_of_them=True):
                self._report(pull)
            await core.close()
            await health.stop()
            if self._spans is not None:
                await self._spans.close()
            self._log.flush()
        self._log.line({"event": "stop", "message": "stopped"})
        self._log.flush()

    def _hub(self) -> str | None:
        """The name of Docker Hub's block, where its limit is to be shown under the names of exporters, too."""
        found = self._active.policy.registry_of(HUB) if self._prepared.settings.metrics_aliases else None
        return None if found is None else found.name

    def _heart(self, front: Front) -> Heart:
        return Heart("core", self._report, lambda: (*front.measure(), *self._pulls.ended()))

    def _seal(self) -> Seal:
        return (self._ca or self._prepared).holdings.seal

    def _lacks(self) -> str | None:
        """Why the proxy is not ready, or None."""
        if self._state != "ready" or self._front is None:
            return self._state
        lapse = self._ca.holdings.ca.lapse(time.time()) if self._ca is not None else None
        return lapse or self._front.lacks()

    def _welcome(self, listeners: frozenset[Authority], ca: RunningCa) -> Welcome:
        """What an edge needs to serve."""
        directory, names = str(self._prepared.settings.cache_directory.absolute()), tuple(map(str, listeners))
        bundle = ca.holdings.bundle(time.time())
        registry = probe(self._active.policy.registries)
        settings = self._prepared.settings
        most = settings.max_connections, settings.max_connections_per_client
        room = capacity(claim_descriptors(), *most, settings.workers, secured=bool(settings.listen_tls))
        told = settings.tls.name, tuple(map(str, settings.proxy_protocol_from)), (room.total, room.each), settings.ipv6
        traced = self._spans is not None
        return Welcome(VERSION, directory, bundle, ca.holdings.ca.fingerprint, names, registry, *told, traced)

    def _renew(self, core: Core, holdings: Holdings) -> None:
        """Another CA is in force: edges hand it out, and ask for new leaves."""
        remember(self._prepared.settings.cache_directory, holdings.ca.fingerprint)
        if self._front is not None:
            self._front.renew()
        core.forget()

    def hang_up(self) -> None:
        """Reload the policy file and the CA; where there is no file, say so."""
        self._notifier.reloading()
        for watcher in self._watchers:
            watcher.hang_up()
        if self._prepared.settings.policy is None:
            self._notifier.reloaded()
            sentence = "SIGHUP: no policy file was named, so there is nothing to read again; name one with --policy"
            self._log.line({"event": "reload", "message": sentence})

    async def _watch(self, core: Core, ca: RunningCa) -> None:
        """Watch the CA, and the policy file, if there is one."""
        settings, start = self._prepared.settings, self._prepared.start
        self._watchers = [Watcher(ca)]
        if settings.policy is not None:
            follow, report = core.follow, self._report
            steps = reload_steps(settings, settings.policy, lambda: ca.holdings, follow, report)
            self._reloader = Reloader(self._active, start.reading, steps)
            await self._reloader.begin()
            self._watchers.append(Watcher(self._reloader))
        self._begin("reminding of dates", ca.attend)
        self._begin("warming", core.cache.warming.run)
        self._begin("prefetching", core.cache.ahead.run)
        for watcher in self._watchers:
            self._begin("watching files", watcher.run)

    def _begin(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._watching.append(asyncio.get_running_loop().create_task(lasting(name, run)))

    async def _stop_watching(self) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    def _administer(self, core: Core, ca: RunningCa) -> Administration:
        prepared, trust = self._prepared, self._trust
        administered = Administered(
            core,
            lambda: self._active.policy,
            self._reloader,
            self._metrics,
            self._traces,
            lambda: trust.counts(ca.holdings.ca.fingerprint),
            self._lacks,
            self._log.line,
        )
        admin = Administration(prepared.settings.admin, prepared.admin_sockets, administered)
        if admin.warning:
            self._log.line({"event": "warning", "message": admin.warning})
        return admin

    def _announce(self) -> None:
        start = self._prepared.start
        self._log.line({"event": "start", "message": start.sentence})
        for warning in (*start.warnings, *self._prepared.holdings.warnings):
            self._log.line({"event": "warning", "message": warning})
        self._report(PolicyStarted(start.policy.checksum, time.time(), start.resumed, start.policy.exposed))
        settings = self._prepared.settings
        addresses = ", ".join((*settings.listen, *(f"{address} (TLS)" for address in settings.listen_tls)))
        self._log.line({"event": "start", "message": f"regproxy {__version__} listens on {addresses}"})


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
    """Run until SIGTERM or SIGINT; a second one does not wait for the draining. SIGHUP reloads the policy."""
    # What is there before the first client stays: the collector need not walk over it with everybody waiting.
    gc.collect()
    gc.freeze()
    asyncio.run(_serve(prepared, log))


async def _serve(prepared: Prepared, log: AccessLog) -> None:
    stop, stop_now = asyncio.Event(), asyncio.Event()

    def stopping() -> None:
        (stop_now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    service = Service(prepared, log)
    loop.add_signal_handler(signal.SIGTERM, stopping)
    loop.add_signal_handler(signal.SIGHUP, service.hang_up)
    if prepared.handed is None:
        loop.add_signal_handler(signal.SIGINT, stopping)
    else:
        # The parent forwards what concerns its children, and has blocked signals until they can act on them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    await service.run(stop, stop_now)
