"""Keeping images warm: what the policy's `warm` blocks name is asked about, and fetched while nobody waits."""

import asyncio
import math
from collections.abc import Callable

from regproxy.cache.images import Images
from regproxy.cache.lookup import Engines
from regproxy.cache.prefetch import Fetched, Prefetch
from regproxy.cache.purging import Purging
from regproxy.model.inventory import TagKey
from regproxy.model.pull_event import ImageWarmed
from regproxy.model.warm import Warm
from regproxy.policy.images import image_name
from regproxy.policy.policy import Policy

TICK_SECONDS = 15.0
AT_ONCE = 2  # images at a time: clients come first


class Warming:
    """Owns when each image was asked about last; `policy` gives the active one."""

    def __init__(
        self, engines: Engines, images: Images, purging: Purging, prefetch: Prefetch, policy: Callable[[], Policy]
    ) -> None:
        self._engines = engines
        self._images = images
        self._purging = purging
        self._prefetch = prefetch
        self._policy = policy
        # By the block's name and the image.
        self._asked: dict[tuple[str, TagKey], float] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(TICK_SECONDS)

    async def step(self) -> None:
        """Ask about everything that is due."""
        now = self._engines.clock()
        named = {(block.name, key): block for block in self._policy().warm for key in block.images}
        self._asked = {one: at for one, at in self._asked.items() if one in named}
        due = [one for one, block in named.items() if not now - block.every < self._asked.get(one, -math.inf) <= now]
        turn = asyncio.Semaphore(AT_ONCE)

        async def ask(one: tuple[str, TagKey]) -> None:
            async with turn:
                await self._warm(named[one], one[1])

        self._asked.update(dict.fromkeys(due, now))
        await asyncio.gather(*map(ask, due))

    async def _warm(self, block: Warm, key: TagKey) -> None:
        may_fetch = block.hours is None or block.hours.hold(self._engines.clock())
        fetched, failure, before, after = Fetched(), "", "", ""
        try:
            asked = await self._purging.ask(key, fetch=may_fetch)
            failure = asked.failure
            before, after = str(asked.before or ""), str(asked.after or "")
            if may_fetch and not failure:
                await self._prefetch.run(key, block.platforms or await self._images.platforms(key), fetched)
        except* (ValueError, OSError) as errors:
            failure = str(errors.exceptions[0])
        if failure or before != after:
            self._engines.report(ImageWarmed(image_name(key), before, after, fetched.contents, fetched.bytes, failure))
