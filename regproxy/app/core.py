"""The core's parts: store, upstream and cache, built and closed together."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from regproxy.app.lasting import lasting
from regproxy.cache.answer import Cache
from regproxy.cache.lookup import Engines
from regproxy.cache.manifests import record
from regproxy.cache.tunnels import Tunnels
from regproxy.model.address import Authority
from regproxy.model.answer import Forget
from regproxy.model.entry import Challenge
from regproxy.model.event import Event, StoreFailed
from regproxy.model.measure import Measured, StoreMeasured, UpstreamMeasured
from regproxy.policy.policy import Policy
from regproxy.store.content import Store
from regproxy.store.rows import Changes
from regproxy.tls.seal import Seal
from regproxy.upstream.admission import Admission
from regproxy.upstream.breaker import Breakers
from regproxy.upstream.broker import Broker
from regproxy.upstream.client import Client
from regproxy.upstream.helper_answers import Helpers
from regproxy.upstream.parents import Parents
from regproxy.upstream.quota import Quota
from regproxy.upstream.request import Limits
from regproxy.upstream.retries import Retries
from regproxy.upstream.session import Upstream
from regproxy.upstream.standing import Standing
from regproxy.upstream.tokens import Tokens

MAINTENANCE_SECONDS = 30.0


class StoredChallenges:
    """What we learned of each authority, in memory and, a moment later, on disk."""

    def __init__(self, known: dict[Authority, Challenge]) -> None:
        self._known = known
        self.engines: Engines | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def get(self, authority: Authority) -> Challenge | None:
        """The challenge last seen."""
        return self._known.get(authority)

    def put(self, authority: Authority, challenge: Challenge) -> None:
        """Remember it over restarts."""
        self._known[authority] = challenge
        if self.engines is not None:
            task = self.engines.spawn(record(self.engines, Changes(challenges=((authority, challenge),))))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def written(self) -> None:
        """Wait until all that was learned is on disk."""
        await asyncio.gather(*self._writing, return_exceptions=True)


class Core:
    """Owns the store, the upstream client and the cache; `policy` gives the active one."""

    def __init__(
        self,
        cache: Cache,
        engines: Engines,
        store: Store,
        client: Client,
        challenges: StoredChallenges,
        standing: Standing,
        tunnels: Tunnels,
    ) -> None:
        self.cache = cache
        self.tunnels = tunnels
        self.store = store
        self.standing = standing
        self._engines = engines
        self._client = client
        self._challenges = challenges
        self._due = asyncio.Event()
        self._maintenance = asyncio.get_running_loop().create_task(lasting("maintenance", self._maintain))

    @classmethod
    async def open(
        cls,
        directory: Path,
        policy: Callable[[], Policy],
        report: Callable[[Event], None],
        listeners: frozenset[Authority],
        seal: Callable[[], Seal],
        clock: Callable[[], float] = time.time,
        limits: Limits | None = None,
        helpers: Path | None = None,
        *,
        ipv6: bool = True,
    ) -> "Core":
        """Open the cache directory and start; raises what `Store.open` raises.

        `seal` gives the one for the tokens of callers with a login: who has the same opens them. `helpers` is the
        directory of credential helpers.
        """
        store = await Store.open(directory, policy().cache, clock, report)
        challenges = StoredChallenges(await store.challenges())
        client = Client(report, listeners, limits, ipv6=ipv6)
        quota, breakers = Quota(clock, report), Breakers(clock, report)
        admission = Admission(client, quota, breakers, Retries(random.random, report))
        broker = Broker(Tokens(admission, time.monotonic), report, clock, Helpers(helpers))
        upstream = Upstream(admission, broker, challenges)
        engines = Engines(store, upstream, clock, report)
        await engines.overrides.load()
        challenges.engines = engines
        standing, tunnels = Standing(quota, breakers, clock), Tunnels(policy, Parents(listeners, ipv6=ipv6))
        return cls(Cache(engines, policy, seal), engines, store, client, challenges, standing, tunnels)

    def follow(self, policy: Policy, ca_files: Mapping[str, str]) -> None:
        """Another policy runs from now on; `ca_files` has the hashes of the files that its registries trust.

        Limits count at once. Lifetimes, the connect table and registries are read from the policy by each request;
        what edges remember is forgotten.
        """
        self.store.limits = policy.cache
        self._due.set()
        self._client.follow(policy.registries, ca_files)
        self._engines.forget(Forget())

    @property
    def upstream(self) -> Upstream:
        """The way to registries."""
        return self._engines.upstream

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work that ends with the core at the latest."""
        self._engines.spawn(work)

    def forget(self) -> None:
        """What edges remember no longer holds, answers and leaves."""
        self._engines.forget(Forget())

    def measure(self) -> tuple[Measured, ...]:
        """How things are now, as far as no disk has to be asked."""
        usage, (busy, slots, queued) = self.store.usage(), self._client.usage()
        return (
            StoreMeasured(usage.content, usage.reserved, usage.entries, usage.limit),
            UpstreamMeasured(self.cache.fills, busy, slots, queued),
        )

    async def _maintain(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), MAINTENANCE_SECONDS)
            self._due.clear()
            try:
                await self.store.maintain()
            except OSError as error:
                self._engines.report(StoreFailed("maintain", str(error)))

    async def close(self) -> None:
        """Stop fetching, then close the store cleanly."""
        self._maintenance.cancel()
        await asyncio.gather(self._maintenance, return_exceptions=True)
        await self._challenges.written()
        await self._engines.close()
        await self._engines.upstream.close()
        await self._client.close()
        await self.store.close()
