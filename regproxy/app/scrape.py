"""`/metrics`: the parts say how they are, and what was counted is rendered in a thread."""

import asyncio
import time
from collections.abc import Callable, Iterable

from regproxy.model.measure import Measured
from regproxy.telemetry.exposition import exposition
from regproxy.telemetry.metrics import Metrics


class Scrape:
    """Asks whoever said that he can be asked."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._measures: list[Callable[[], Iterable[Measured]]] = []

    def ask(self, measure: Callable[[], Iterable[Measured]]) -> None:
        """Ask this part from now on."""
        self._measures.append(measure)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its media type, as an Accept prefers."""
        began = time.monotonic()
        for measure in self._measures:
            for measured in measure():
                self._metrics.measured(measured)
        # Thousands of lines take milliseconds, which are the clients' on this loop.
        page = await asyncio.to_thread(exposition, self._metrics.sampled(), accept)
        self._metrics.scraped(time.monotonic() - began)
        return page
