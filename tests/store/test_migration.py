"""Forward from older formats: what an older version kept is kept, and stands where it belongs among what leaves."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.entry import Binding, BindingKey, LinkKey
from regproxy.model.oci import Kind
from regproxy.store.index import Tables
from regproxy.store.pools import MAIN, SMALL, Total, totals
from regproxy.store.schema import FORMAT
from tests.store.former import first_format
from tests.store.opening import MIB, Watch, digest_of, limits, on_disk, opened, put, read

LAYERS = tuple(bytes([number]) * (MIB + number + 1) for number in range(3))
CONFIG = b"{}"
MANIFEST = json.dumps(
    {"config": {"digest": str(digest_of(CONFIG))}, "layers": [{"digest": str(digest_of(one))} for one in LAYERS[:1]]}
).encode()
REGISTRY = Authority("r.example", 443)


def places(tables: Tables) -> list[tuple[str, int]]:
    return [(str(digest), int(place or 0)) for digest, place in tables.each("SELECT digest, place FROM content")]


def test_the_first_format_is_taken_over_whole(tmp_path: Path) -> None:
    first_format(tmp_path, MANIFEST, (CONFIG, *LAYERS))

    async def story() -> None:
        for _ in range(2):
            async with opened(tmp_path) as store:
                assert (tmp_path / "VERSION").read_text() == f"{FORMAT}\n"
                assert await store._index.run(Tables.format) == FORMAT
                for body in (MANIFEST, CONFIG, *LAYERS):
                    assert await store.content(digest_of(body)) is not None
                    assert read(store, digest_of(body)) == body
                binding = await store.binding(BindingKey(REGISTRY, "app", "v1"))
                assert binding == Binding(digest_of(MANIFEST), "m", len(MANIFEST), (), 4.0, 5.0)
                assert await store.link(LinkKey(REGISTRY, "app", Kind.MANIFEST, digest_of(MANIFEST))) is not None
                assert await store.granted_at(REGISTRY, "app") == 5.0
                assert (store.usage().entries, store.usage().content) == (5, on_disk(tmp_path))
                by_pool = await store._index.run(totals)
                assert (by_pool[SMALL].entries, by_pool[MAIN].entries) == (2, 3)
                assert sum(pool.allocated for pool in by_pool) == on_disk(tmp_path)

    asyncio.run(story())


def test_layers_keep_their_order_of_leaving_and_what_a_manifest_lists_is_leased_once_it_is_served(
    tmp_path: Path,
) -> None:
    first_format(tmp_path, MANIFEST, (CONFIG, *LAYERS))

    async def story() -> None:
        watch = Watch()
        async with opened(tmp_path, limits(4 * MIB), watch) as store:
            order = dict(await store._index.run(places))
            assert [order[str(digest_of(layer))] for layer in LAYERS] == [1, 2, 3]
            store.touch(digest_of(MANIFEST))
            await put(store, b"n" * (MIB + 9))
            left = [await store.content(digest_of(layer)) is None for layer in LAYERS]
            assert left == [False, True, False]

    asyncio.run(story())


def test_a_migration_that_was_cut_off_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_format(tmp_path, MANIFEST, (CONFIG, *LAYERS))
    real = Tables.set_format

    def fail(tables: Tables, version: int) -> None:
        raise OSError(28, "No space left on device")

    async def story() -> None:
        monkeypatch.setattr(Tables, "set_format", fail)
        with pytest.raises(OSError, match="No space left"):
            async with opened(tmp_path):
                pass
        monkeypatch.setattr(Tables, "set_format", real)
        async with opened(tmp_path) as store:
            assert store.usage().entries == 5
            assert sum(pool.entries for pool in await store._index.run(totals)) == 5

    asyncio.run(story())


def test_an_unreadable_manifest_costs_only_its_leases(tmp_path: Path) -> None:
    first_format(tmp_path, b"no manifest", (CONFIG,))
    shutil.rmtree(tmp_path / "blobs")

    async def story() -> None:
        async with opened(tmp_path) as store:
            assert (await store._index.run(totals))[SMALL] == Total(8192, 2)
            assert await store.content(digest_of(CONFIG)) is None
            assert store.usage().entries == 1

    asyncio.run(story())
