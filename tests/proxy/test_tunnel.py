"""Bytes through a tunnel: both ways, no faster than they are taken, and not for ever."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Sequence

import pytest

from regproxy.model.address import Authority, Reach
from regproxy.proxy.tunnel import TunnelRefused, dial, relay

UNKNOWN = 4711  # no family of addresses


def pairs() -> tuple[socket.socket, socket.socket, socket.socket, socket.socket]:
    """The client and our end of its connection, our end of the upstream's and the upstream."""
    client, ours = socket.socketpair()
    theirs, upstream = socket.socketpair()
    for each in (client, ours, theirs, upstream):
        each.setblocking(False)
    return client, ours, theirs, upstream


def test_a_tunnel_in_which_nothing_moves_ends() -> None:
    async def story() -> None:
        client, ours, theirs, upstream = pairs()
        began = time.monotonic()
        relaying = asyncio.create_task(relay(ours, theirs, b"ahead", 0.5))
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(upstream, 100) == b"ahead"
        await asyncio.sleep(0.3)
        await loop.sock_sendall(upstream, b"alive")
        assert await loop.sock_recv(client, 100) == b"alive"
        traffic = await asyncio.wait_for(relaying, 5)
        assert time.monotonic() - began >= 0.8
        assert (traffic.sent, traffic.received) == (5, 5)
        for end in (client, upstream):
            assert await loop.sock_recv(end, 1) == b""
            end.close()

    asyncio.run(story())


def test_who_sends_what_nobody_takes_is_not_read_on() -> None:
    async def story() -> None:
        client, ours, theirs, upstream = pairs()
        relaying = asyncio.create_task(relay(ours, theirs, b"", 60))
        sent = 0
        quiet = 0
        while quiet < 20:
            try:
                sent += client.send(b"x" * 65536)
                quiet = 0
            except BlockingIOError:
                quiet += 1
            await asyncio.sleep(0.005)
        assert sent < 4 * 1024 * 1024, "two sockets and one piece, and no more"
        client.shutdown(socket.SHUT_WR)
        loop, taken = asyncio.get_running_loop(), 0
        while piece := await asyncio.wait_for(loop.sock_recv(upstream, 1 << 16), 5):
            taken += len(piece)
        assert taken == sent
        upstream.close()
        traffic = await asyncio.wait_for(relaying, 5)
        assert traffic.sent == sent
        client.close()

    asyncio.run(story())


@pytest.mark.parametrize(("ipv6", "families"), [(True, [socket.AF_INET6]), (False, [])])
def test_without_ipv6_no_tunnel_leads_there(ipv6: bool, families: list[int]) -> None:
    async def story() -> None:
        dialled: list[int] = []
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            authority = Authority("::1", server.getsockname()[1])
            reach = Reach(allow=(ipaddress.ip_network("::1/128"),), ipv6=ipv6)
            try:
                with await dial(authority, reach, 5) as connection:
                    dialled.append(connection.family)
            except TunnelRefused as refused:
                assert (refused.status, "IPv6 is off" in str(refused)) == (403, True)
        assert dialled == families

    asyncio.run(story())


def test_without_ipv6_a_name_is_looked_up_in_ipv4_alone() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            authority = Authority("localhost", server.getsockname()[1])
            reach = Reach(allow=(ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")), ipv6=False)
            with await dial(authority, reach, 5) as connection:
                assert connection.family == socket.AF_INET

    asyncio.run(story())


def test_an_address_of_a_family_that_the_kernel_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            found = [(family, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for family in (UNKNOWN, socket.AF_INET)]

            async def resolved(*_: object, **__: object) -> Sequence[object]:
                return found[:several]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved, raising=False)
            authority, reach = Authority("both.example", port), Reach(allow=(ipaddress.ip_network("127.0.0.0/8"),))
            several = 2
            with await dial(authority, reach, 5) as connection:
                assert connection.getpeername() == ("127.0.0.1", port)
            several = 1
            with pytest.raises(TunnelRefused, match="not supported") as refused:
                await dial(authority, reach, 5)
            assert refused.value.status == 502

    asyncio.run(story())
