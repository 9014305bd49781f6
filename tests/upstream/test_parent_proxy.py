"""Through a proxy that the policy names: by CONNECT, with its own credential, and none of the registry's."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.registry import ParentProxy, Registry
from regproxy.model.secret import Origin, Secret
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from tests.upstream.standin import TEN, Events, Recorder, StandIn, TestAuthority, ask, registry, says

CREDENTIAL = "user:hunter2-Zq9"
BEARER = (("Authorization", "Bearer canary"),)


@dataclass
class Parent:
    """A proxy that splices every CONNECT to one target; `heard` are the heads it was sent."""

    target: Authority
    status: bytes = b"200 Connection established"
    heard: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Authority]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield Authority("127.0.0.1", server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in tuple(self.tasks):
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 " + self.status + b"\r\nX-From: the parent\r\n\r\n")
        if self.status.startswith(b"200"):
            there, back = await asyncio.open_connection(self.target.host, self.target.port)
            try:
                await asyncio.gather(splice(reader, back), splice(there, writer))
            finally:
                back.transport.abort()
        writer.transport.abort()


async def splice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


def through(block: Registry, parent: Authority, *, secret: bool = True) -> Registry:
    """The block behind this proxy; its own hosts cannot be dialled."""
    url = f"http://{CREDENTIAL}@{parent}"
    proxy = ParentProxy(parent, Secret(Origin("env", "PARENT"), url) if secret else None)
    return replace(block, connect_to=(), proxy=proxy)


def test_the_registry_is_reached_by_connect_and_each_gets_its_own_credential() -> None:
    async def story(authority: TestAuthority) -> None:
        client = Client(Events())
        async with StandIn(says(TEN, b"0123456789"), authority.context("registry.test")) as origin:
            parent = Parent(origin.address)
            async with parent.running() as address:
                block = through(registry(("registry.test", origin), ca_file=authority.ca_file), address)
                recorder = Recorder()
                await client.start(ask(block, fields=BEARER), recorder).finished()
                await client.close()
        (head,) = recorder.heads
        assert (head.status, bytes(recorder.kept)) == (200, b"0123456789")
        assert not any(name.lower() == "x-from" for name, _ in head.fields)
        (connect,) = parent.heard
        assert connect.startswith("CONNECT registry.test:443 HTTP/1.1\r\n")
        assert f"Proxy-Authorization: Basic {base64.b64encode(CREDENTIAL.encode()).decode()}\r\n" in connect
        assert "canary" not in connect
        (heard,) = origin.heard
        assert (heard.get("authorization"), heard.get("proxy-authorization")) == ("Bearer canary", None)

    with TestAuthority() as authority:
        asyncio.run(story(authority))


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway"])
def test_a_proxy_that_refuses_is_a_failure_that_names_host_and_status(status: bytes) -> None:
    async def story(authority: TestAuthority) -> None:
        client = Client(Events())
        async with StandIn(says(TEN, b"0123456789"), authority.context("registry.test")) as origin:
            parent = Parent(origin.address, status)
            async with parent.running() as address:
                block = through(registry(("registry.test", origin), ca_file=authority.ca_file), address)
                with pytest.raises(UpstreamFailed, match=r"^registry\.test: .*" + status[:3].decode()) as caught:
                    await client.start(ask(block, fields=BEARER), Recorder()).finished()
                await client.close()
        assert origin.heard == []
        assert "hunter2" not in caught.value.detail

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_the_proxy_is_no_way_to_addresses_that_are_closed() -> None:
    async def story() -> None:
        client = Client(Events())
        parent = Parent(Authority("127.0.0.1", 1))
        async with parent.running() as address:
            block = replace(through(registry(), address), allow_address=(ip_network("127.0.0.1/32"),))
            for host in ("169.254.169.254", "10.0.0.1", "127.0.0.2", "::ffff:169.254.169.254"):
                request = replace(ask(block), authority=Authority(host, 443))
                with pytest.raises(UpstreamFailed, match=r"(link-local|private)") as caught:
                    await client.start(request, Recorder()).finished()
                assert caught.value.failure is FailureClass.CONNECT
            closed = replace(block, allow_address=())
            with pytest.raises(UpstreamFailed, match="loopback"):
                await client.start(ask(closed), Recorder()).finished()
            await client.close()
        assert parent.heard == []

    asyncio.run(story())


def test_a_secret_is_printed_nowhere() -> None:
    block = through(registry(), Authority("proxy.example", 3128))
    assert block.proxy is not None
    assert "hunter2" not in f"{block!r} {block.proxy} {block.proxy.secret} {block.proxy!r}"
    assert block.proxy.url == f"http://{CREDENTIAL}@proxy.example:3128"
