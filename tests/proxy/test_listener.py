"""Letting clients go."""

import asyncio
import socket
from pathlib import Path

import pytest

from regproxy.model.answer import Answer, Ask, Reply
from regproxy.model.message import Head
from tests.lab.client import Client
from tests.proxy.serving import LABELS, Serving, told


def test_draining_ends_idle_connections_and_finishes_what_is_under_way(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        asked, go = asyncio.Event(), asyncio.Event()

        async def script(_: Ask) -> Answer:
            asked.set()
            await go.wait()
            return Reply(Head(200), b"finished", LABELS)

        serving.core.script = script
        idle = await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443")
        busy = await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443")
        answer = asyncio.create_task(asyncio.to_thread(busy.get, "/v2/"))
        await asyncio.wait_for(asked.wait(), 5)
        draining = asyncio.create_task(serving.listener.drain(10))
        assert await asyncio.to_thread(idle._connection.sock.recv, 1) == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(socket.create_connection, ("127.0.0.1", serving.port), 5)
        go.set()
        assert (await answer).body == b"finished"
        await asyncio.wait_for(draining, 5)
        idle.__exit__(None, None, None)
        busy.__exit__(None, None, None)

    told(story, tmp_path)


def test_what_outlives_the_draining_is_cut_off(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        asked = asyncio.Event()

        async def script(_: Ask) -> Answer:
            asked.set()
            await asyncio.Event().wait()
            return Reply(Head(200), b"", LABELS)

        serving.core.script = script
        client = await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443")
        answer = asyncio.create_task(asyncio.to_thread(client.get, "/v2/"))
        await asyncio.wait_for(asked.wait(), 5)
        await asyncio.wait_for(serving.listener.drain(0.1), 5)
        with pytest.raises(OSError):
            await answer
        assert not serving.edge.streams
        assert not serving.edge.tasks
        client.__exit__(None, None, None)

    told(story, tmp_path)
