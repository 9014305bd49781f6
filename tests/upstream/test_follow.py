"""Connections follow the policy: what another block or an older CA file made takes nothing new."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from regproxy.model.registry import ConnectTo, Registry
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from tests.lab.processes import free_port
from tests.upstream.standin import Events, Recorder, StandIn, Talk, TestAuthority, ask, registry


async def hello(talk: Talk) -> None:
    await talk.answer(200, b"hello")


def hashes(block: Registry) -> dict[str, str]:
    return {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in block.ca_files}


def replace_file(name: str, other: str) -> None:
    Path(name).write_bytes(Path(other).read_bytes())


def test_a_block_that_changed_gets_new_connections_and_the_old_ones_close() -> None:
    async def story() -> None:
        client = Client(Events())
        async with StandIn(hello) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            await client.start(ask(block), Recorder()).finished()
            closed = replace(block, allow_address=())
            client.follow((closed,), {})
            with pytest.raises(UpstreamFailed, match="loopback"):
                await client.start(ask(closed), Recorder()).finished()
            assert stand_in.connections == 1
            assert [key for key, _ in client._pools] == [closed]
            await client.close()

    asyncio.run(story())


def test_what_did_not_change_keeps_its_connections() -> None:
    async def story(authority: TestAuthority) -> None:
        client = Client(Events())
        async with StandIn(hello, authority.context("registry.test")) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            for _ in range(3):
                await client.start(ask(block), Recorder()).finished()
                client.follow((replace(block),), hashes(block))
            assert stand_in.connections == 1
            await client.close()

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_a_ca_file_with_another_content_counts_for_the_next_request() -> None:
    async def story(old: TestAuthority, new: TestAuthority) -> None:
        client = Client(Events())
        async with StandIn(hello, old.context("registry.test")) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=old.ca_file)
            await client.start(ask(block), Recorder()).finished()
            replace_file(old.ca_file, new.ca_file)
            await client.start(ask(block), Recorder()).finished()
            client.follow((block,), hashes(block))
            with pytest.raises(UpstreamFailed, match=r"registry\.test"):
                await client.start(ask(block), Recorder()).finished()
            await client.close()

    with TestAuthority() as old, TestAuthority() as new:
        asyncio.run(story(old, new))


def test_a_transfer_under_way_ends_whole_after_its_block_is_gone() -> None:
    go_on = asyncio.Event()

    async def halting(talk: Talk) -> None:
        await go_on.wait()
        await talk.answer(200, b"hello")

    async def story() -> None:
        client = Client(Events())
        async with StandIn(halting) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            sink = Recorder()
            transfer = client.start(ask(block), sink)
            client.follow((), {})
            assert client._pools == {}
            go_on.set()
            await transfer.finished()
            assert bytes(sink.kept) == b"hello"
            await asyncio.sleep(0)
            assert client._retiring == set()
            await client.close()

    asyncio.run(story())


def test_a_pool_that_gives_way_to_another_is_closed_when_tornado_is_done_with_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The transfer whose end lets the next one begin is in Tornado's hands still."""
    monkeypatch.setattr("regproxy.upstream.client.MAX_POOLS", 1)

    async def story() -> None:
        client = Client(Events())
        async with StandIn(hello) as stand_in:
            block = replace(registry(("registry.test", stand_in), scheme="http"), concurrent=1)
            gone = replace(stand_in.address, port=free_port())
            nowhere = replace(block, connect_to=(ConnectTo(ask(block).authority, gone),))
            sink = Recorder()
            first, second = client.start(ask(nowhere), Recorder()), client.start(ask(block), sink)
            with pytest.raises(UpstreamFailed, match="refused"):
                await first.finished()
            await second.finished()
            assert (bytes(sink.kept), len(client._pools)) == (b"hello", 1)
            await client.close()

    asyncio.run(story())
    assert caplog.records == []
