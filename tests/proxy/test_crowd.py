"""More clients than there is room for: idle ones make room, more of one address are turned away, the rest wait."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask
from regproxy.model.connect import Tunnel
from regproxy.model.measure import NOBODY, TurnedAway
from regproxy.proxy.crowd import Capacity, Crowd
from tests.lab.client import Client, connect
from tests.proxy.serving import Serving, hello, told
from tests.proxy.test_connect import LOOPBACK
from tests.wire.joined import until


@contextmanager
def room(serving: Serving, total: int, each: int) -> Iterator[None]:
    """So much room from here on; the listener goes on with the crowd that it knows."""
    serving.edge.crowd._capacity = Capacity(total, each)
    yield
    serving.edge.crowd._capacity = Capacity(1000, 1000)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:aaaa::9", True),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("unix:", "unix:", True),
    ],
)
def test_addresses_that_one_machine_may_have_count_together(first: str, second: str, together: bool) -> None:
    crowd = Crowd(Capacity(10, 1))
    crowd.came(first)
    assert crowd.fits(second) is not together
    crowd.left(first)
    assert crowd.fits(second)
    assert crowd.total == 0


def test_who_has_too_many_is_told_so_and_may_come_again(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        with room(serving, 100, 3), ExitStack() as held:
            clients = [await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443") for _ in range(3)]
            for client in clients:
                held.enter_context(client)

            def fourth() -> bytes:
                with socket.create_connection(("127.0.0.1", serving.port), 5) as stream:
                    return b"".join(iter(lambda: stream.recv(4096), b""))

            answer = await asyncio.to_thread(fourth)
            assert answer.startswith(b"HTTP/1.1 503 regproxy: too many connections from this address\r\n")
            assert serving.edge.measure("").turned_away == TurnedAway(address=1, last="127.0.0.1")
            assert serving.edge.measure("").turned_away == NOBODY, "it was told"
            assert (await asyncio.to_thread(clients[0].get, "/v2/")).body == b"hello"
            clients[1].__exit__(None, None, None)
            await until(lambda: serving.edge.crowd.total == 2)
            again = await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443")
            assert (await asyncio.to_thread(held.enter_context(again).get, "/v2/")).body == b"hello"

    told(story, tmp_path)


def test_idle_connections_make_room_and_busy_ones_are_waited_for(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        go = asyncio.Event()

        async def script(ask: Ask) -> Answer:
            if ask.target == "/busy":
                await go.wait()
            return hello(ask)

        serving.core.script = script
        with room(serving, 3, 100), ExitStack() as held:
            first = [await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443") for _ in range(3)]
            for client in first:
                held.enter_context(client)
            busy = [asyncio.create_task(asyncio.to_thread(client.get, "/busy")) for client in first[1:]]
            await until(lambda: serving.edge.in_flight == 2)
            newcomer = await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443")
            held.enter_context(newcomer)
            busy.append(asyncio.create_task(asyncio.to_thread(newcomer.get, "/busy")))
            await until(lambda: serving.edge.in_flight == 3)
            assert serving.edge.crowd.total == 3, "the idle one has gone"
            assert serving.edge.measure("").turned_away == TurnedAway(idle=1)
            waiting = asyncio.create_task(asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443"))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            assert serving.edge.measure("").waits > 0
            go.set()
            assert {(await each).body for each in busy} == {b"hello"}
            held.enter_context(await asyncio.wait_for(waiting, 5))

    told(story, tmp_path)


def test_idle_connections_inside_tls_make_room_at_once_and_no_more_of_them_than_needed(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        context = ssl.create_default_context(cafile=str(serving.ca_file))

        def silent() -> ssl.SSLSocket:
            """It says nothing, to a close_notify neither."""
            connection = socket.create_connection(("127.0.0.1", serving.secured_port), 5)
            return context.wrap_socket(connection, server_hostname="quay.io")

        with room(serving, 3, 100), ExitStack() as held:
            for _ in range(3):
                held.enter_context(await asyncio.to_thread(silent))
            newcomer = await asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443")
            assert (await asyncio.to_thread(held.enter_context(newcomer).get, "/v2/")).body == b"hello"
            assert serving.edge.crowd.total == 3
            assert serving.edge.measure("").turned_away == TurnedAway(idle=1)

    told(story, tmp_path)


def test_a_tunnel_is_a_connection_until_it_ends(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with await asyncio.start_server(quiet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            authority = f"127.0.0.1:{port}"
            serving.core.decisions[Authority("127.0.0.1", port)] = Tunnel(LOOPBACK, named=False)
            tunnel = await asyncio.to_thread(connect, serving.port, authority)
            await until(lambda: serving.edge.crowd.total == 1 and not serving.edge.streams)
            tunnel.close()
            await until(lambda: serving.edge.crowd.total == 0)

    told(story, tmp_path)


def test_without_descriptors_clients_wait_and_nobody_spins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(serving: Serving) -> None:
        listening = serving.listener._sockets[0]
        tries: list[float] = []

        class Exhausted:
            def accept(self) -> None:
                tries.append(asyncio.get_running_loop().time())
                raise OSError(errno.EMFILE, "Too many open files")

            def __getattr__(self, name: str) -> object:
                return getattr(listening, name)

            def __hash__(self) -> int:
                return hash(listening)

            def __eq__(self, other: object) -> bool:
                return other is self

        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        exhausted = Exhausted()
        serving.listener._watch(exhausted)  # type: ignore[arg-type]
        waiting = asyncio.create_task(asyncio.to_thread(Client, serving.port, serving.ca_file, "quay.io:443"))
        await asyncio.sleep(0.5)
        assert 2 <= len(tries) <= 7, "it is looked again every tenth of a second"
        monkeypatch.setattr(Exhausted, "accept", lambda _: listening.accept())
        with await asyncio.wait_for(waiting, 5) as client:
            assert (await asyncio.to_thread(client.get, "/v2/")).body == b"hello"
        loop.remove_reader(listening)
        serving.listener._watch(listening)

    told(story, tmp_path)


def test_a_crowd_counts_what_it_was_told() -> None:
    crowd = Crowd(Capacity(2, 1))
    assert crowd.fits("a")
    crowd.came("a")
    assert not crowd.fits("a")
    assert crowd.fits("b")
    with crowd.counted("b"):
        assert crowd.full
    crowd.left("a")
    assert (crowd.total, dict(crowd._connections)) == (0, {})
