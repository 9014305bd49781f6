"""So many connections at once, and no more: they share descriptors with the connections to registries."""

import asyncio
import contextlib
import socket

import pytest
from tornado.httputil import HTTPServerRequest

from regproxy.admin.server import MAX_CONNECTIONS, Page, Server
from regproxy.app.listeners import bind
from tests.lab.processes import free_port

MAX_TRIES = 500
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def is_served(connection: socket.socket) -> bool:
    connection.sendall(REQUEST)
    said = b""
    while not said.endswith(b"here") and (more := connection.recv(4096)):
        said += more
    return said.startswith(b"HTTP/1.1 200 ")


def test_who_opens_connections_without_end_gets_so_many_and_others_come_in_when_one_ends() -> None:
    async def page(_request: HTTPServerRequest) -> Page:
        return Page(200, "text/plain", b"here")

    def visit(port: int) -> None:
        with contextlib.ExitStack() as held:

            def opened() -> socket.socket:
                return held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))

            held_open = [opened() for _ in range(MAX_CONNECTIONS)]
            assert is_served(held_open[-1])
            assert opened().recv(64) == b"", "closed at once"
            held_open[0].close()
            for _ in range(MAX_TRIES):  # the server hears of it when it comes to it
                with contextlib.suppress(ConnectionError):
                    if is_served(opened()):
                        break
            else:
                pytest.fail("nobody was let in any more")
            assert is_served(held_open[-1]), "who was there stays"

    async def story() -> None:
        server = Server(page, Page(500, "text/plain", b""), 1024)
        port = free_port()
        server.start([bind(f"127.0.0.1:{port}")])
        try:
            await asyncio.to_thread(visit, port)
        finally:
            await server.stop()

    asyncio.run(story())
