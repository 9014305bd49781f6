"""Who comes while a transfer ends: its content is here a moment before its link, and nobody is asked once more."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, wait
from pathlib import Path
from typing import Any

import pytest

from regproxy.model.answer import Answer, Ask, Filling
from regproxy.model.event import Outcome
from regproxy.model.oci import parse_digest
from regproxy.store.content import Store
from tests.cache.world import MANIFEST_TYPE, QUAY, World, told
from tests.lab.answers import blob, manifest
from tests.lab.images import sha256

DISK_TURNS = 8
# More than pass from a transfer's last byte until all of it is written down.
TURNS = 20


class _AtOnce(Executor):
    """Does each piece of work before the next turn of the loop, on its own thread: what meets what is no chance."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future = self._threads.submit(work, *arguments, **named)
        wait([future])
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def _keep_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the index answers within a turn, and the disk takes some turns for each thing."""
    monkeypatch.setattr(store._index, "_thread", _AtOnce(store._index._thread))
    monkeypatch.setattr(store._work, "_threads", _AtOnce(store._work._threads))
    on_disk = store._work.on_disk

    async def slowly(call: Callable[[], Any]) -> Any:
        await _turns(DISK_TURNS)
        return await on_disk(call)

    monkeypatch.setattr(store._work, "on_disk", slowly)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _elsewhere(world: World, kind: str, digest: str) -> None:
    """Another repository of the registry gave it once; its bytes were evicted."""
    await world.get(f"/v2/c/d/{kind}/{digest}")
    await world.core.store._work.drain()
    await world.core.store.discard(parse_digest(digest))


async def _nothing(world: World, kind: str, digest: str) -> None:
    """Nobody asked before."""


async def _ending(world: World, kind: str, answering: asyncio.Task[Answer]) -> None:
    """The last byte is here, or a manifest's part file: what comes next is written down in the turns that follow."""
    if kind == "blobs":
        answer = await answering
        assert isinstance(answer, Filling)
        await answer.progress.beyond(0)
        return
    while not any((world.directory / "tmp").iterdir()):
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["blobs", "manifests"])
@pytest.mark.parametrize("before", [_nothing, _elsewhere])
def test_who_comes_while_a_transfer_ends_costs_no_other(
    before: Callable[[World, str, str], Awaitable[None]], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        _keep_time(world.core.store, monkeypatch)
        seen = set()
        for turns in range(TURNS):
            data = b'{"schemaVersion":2,"number":%d}' % turns
            digest = sha256(data)
            whole = manifest(data, MANIFEST_TYPE, digest) if kind == "manifests" else blob(data)
            for repository in ("a/b", "c/d"):
                world.hostile.on("quay.io", f"/v2/{repository}/{kind}/{digest}", whole)
            await before(world, kind, digest)
            path = f"/v2/a/b/{kind}/{digest}"
            asked = len(world.asked(path))
            ask = Ask(QUAY, "https", "GET", path, (), "10.9.8.7")
            first = asyncio.create_task(world.core.cache.answer(ask))
            async with asyncio.timeout(5):
                await _ending(world, kind, first)
            await _turns(turns)
            answer, body = await world.get(path)
            seen.add(answer.labels.outcome)
            assert (body, await world.read(await first)) == (data, data)
            assert world.asked(path)[asked:] == ["GET"], f"{turns} turns after the end began"
        assert seen == {Outcome.COLLAPSED, Outcome.HIT}, "some came before the end, and some after"

    told(story, tmp_path)
