"""`/metrics`: the parts say how they are, and what was counted is rendered in a thread."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from regproxy.model.measure import Measured
from regproxy.telemetry.aliases import aliased
from regproxy.telemetry.exposition import exposition
from regproxy.telemetry.metrics import Metrics

# A disk that hangs holds up no scrape: what was known of it last is shown.
MAX_MEASURE_SECONDS = 2.0


class Scrape:
    """Asks whoever can be asked how things are, at each scrape; what `hub` names is shown under other names as well."""

    def __init__(self, metrics: Metrics, hub: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._hub = hub
        self._measures: list[Callable[[], Iterable[Measured]]] = []
        self._slow: list[Callable[[], Awaitable[Measured]]] = []

    def ask(self, measure: Callable[[], Iterable[Measured]]) -> None:
        """Ask this part from now on."""
        self._measures.append(measure)

    def ask_slow(self, measure: Callable[[], Awaitable[Measured]]) -> None:
        """Ask this part from now on, which needs the disk for its answer; where it raises OSError it says nothing."""
        self._slow.append(measure)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its media type, as an Accept prefers."""
        began = time.monotonic()
        await asyncio.gather(*map(self._measured, self._slow))
        for measure in self._measures:
            for measured in measure():
                self._metrics.measured(measured)
        # Thousands of lines take milliseconds, which are the clients' on this loop.
        sampled, hub = self._metrics.sampled(), self._hub()
        if hub is not None:
            sampled = *sampled, *aliased(sampled, hub)
        page = await asyncio.to_thread(exposition, sampled, accept)
        self._metrics.scraped(time.monotonic() - began)
        return page

    async def _measured(self, measure: Callable[[], Awaitable[Measured]]) -> None:
        try:
            self._metrics.measured(await asyncio.wait_for(measure(), MAX_MEASURE_SECONDS))
        except (OSError, TimeoutError):
            return
