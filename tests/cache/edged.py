"""A core behind a real edge: what a client sees of `fresh origin`, conditions and ranges included."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cache.world import World, world
from tests.lab.client import Client
from tests.proxy.serving import serving

ORIGIN = """
tier patient { match kind is other and path like "/patient/**"; fresh origin; revalidate etag within 100ms;
               stale if-error 1h on [error, 429, 5xx]; stale while-revalidate 10m; }
tier passing { match kind is other and path like "/passed/**"; pass; }
tier web { match kind in [other, tags, referrers, catalog]; fresh origin; }
tier rest { match any; pass; }
"""


@asynccontextmanager
async def edged(directory: Path, tiers: str = ORIGIN) -> AsyncIterator[tuple[World, Client]]:
    """The world, and one client's connection to quay.io."""
    (directory / "content").symlink_to(directory / "cache")
    async with world(directory, tiers) as running, serving(directory) as served:
        served.core.script = lambda ask: running.core.cache.answer(ask)
        with await asyncio.to_thread(Client, served.port, served.ca_file, "quay.io:443") as client:
            yield running, client
