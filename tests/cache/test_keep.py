"""What a tier keeps: its word reaches the store with what it stores and with what it serves."""

import asyncio
from pathlib import Path

import pytest

from regproxy.model.oci import parse_digest
from regproxy.store.index import Tables
from tests.cache.world import World, told
from tests.lab.answers import Answer, blob
from tests.lab.images import sha256

BASE = "/v2/a/b"
BLOB = f"{BASE}/blobs/{sha256(b'layer')}"
MANIFEST = b'{"schemaVersion":2}'
TIERS = """
tier base  { match repo is "a/b" and kind in [manifest, blob, tags]; fresh 5m; keep pinned; }
tier other { match repo is "c/d"; fresh 5m; keep briefly; }
tier web   { match kind is other; fresh origin; keep pinned; }
"""


async def pools(world: World) -> dict[str, int]:
    """The pool of each piece of content, once the layer is here."""
    async with asyncio.timeout(5):
        while await world.core.store.content(parse_digest(sha256(b"layer"))) is None:
            await asyncio.sleep(0.01)
    await world.core.store.maintain()

    def read(tables: Tables) -> dict[str, int]:
        return {str(digest): int(pool or 0) for digest, pool in tables.each("SELECT digest, pool FROM content")}

    return await world.core.store._index.run(read)


@pytest.mark.parametrize("twice", [False, True])
def test_what_a_pinning_tier_stores_or_serves_is_pinned(twice: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", MANIFEST)
        world.hostile.on("quay.io", BLOB, blob(b"layer"))
        world.hostile.on("quay.io", f"{BASE}/tags/list", Answer(200, body=b'{"tags":[]}'))
        world.hostile.on("quay.io", "/api/x", Answer(200, (("Cache-Control", "max-age=60"),), b"generic"))
        for target in (f"{BASE}/manifests/latest", BLOB, f"{BASE}/tags/list", "/api/x") * (1 + twice):
            answer, _ = await world.get(target)
            assert answer.head.status == 200
        assert set((await pools(world)).values()) == {5}
        assert len(await pools(world)) == 4

    told(story, tmp_path, TIERS)


def test_of_two_tiers_the_one_that_keeps_longer_counts(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        other = f"/v2/c/d/blobs/{sha256(b'layer')}"
        for target in (other, BLOB):
            world.hostile.on("quay.io", target, blob(b"layer"))
        found = []
        for target in (other, BLOB, other):
            await world.get(target)
            found.append((await pools(world))[sha256(b"layer")])
        assert found == [4, 5, 5]

    told(story, tmp_path, TIERS)
