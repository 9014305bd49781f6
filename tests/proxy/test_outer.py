"""TLS around the proxy's own port: the same proxy is inside, TLS with the registry included."""

import asyncio
import base64
import ipaddress
import os
import socket
import ssl
from io import BytesIO
from pathlib import Path

import pycurl
import pytest

from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, CoreAway, Reply
from regproxy.model.connect import Tunnel
from regproxy.model.event import ConnectFinished, HandshakeFailed
from regproxy.model.leaf import Leaf
from regproxy.model.message import Head
from regproxy.proxy import outer, stream
from tests.lab.processes import free_port
from tests.lab.proxy import SYSTEM_BUNDLE
from tests.proxy.serving import LABELS, ScriptedCore, Serving, told
from tests.wire.joined import until

BODY = os.urandom(1 << 16) * 128
ANN = "Basic " + base64.b64encode(b"ann:secret").decode()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def large(_: Ask) -> Answer:
    return Reply(Head(200, (("Content-Type", "text/plain"), ("Content-Length", str(len(BODY))))), BODY, LABELS)


def curl(serving: Serving, url: str, user: str = "") -> tuple[int, int, bytes]:
    """What curl gets through `--proxy https://…`: the status of the CONNECT, of the answer, and the body."""
    handle, body = pycurl.Curl(), BytesIO()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.PROXY, f"https://quay.io:{serving.secured_port}")
    handle.setopt(pycurl.RESOLVE, [f"quay.io:{serving.secured_port}:127.0.0.1"])
    handle.setopt(pycurl.CAINFO, str(serving.ca_file))
    handle.setopt(pycurl.PROXY_CAINFO, str(serving.ca_file))
    if user:
        handle.setopt(pycurl.PROXYUSERPWD, user)
    handle.setopt(pycurl.TIMEOUT, 20)
    handle.setopt(pycurl.WRITEDATA, body)
    try:
        handle.perform()
    except pycurl.error as error:
        if error.args[0] != pycurl.E_COULDNT_CONNECT and not handle.getinfo(pycurl.HTTP_CONNECTCODE):
            raise
    return handle.getinfo(pycurl.HTTP_CONNECTCODE), handle.getinfo(pycurl.RESPONSE_CODE), body.getvalue()


def test_tls_with_the_registry_goes_through_tls_with_the_proxy(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.users, serving.core.script = {ANN: "ann"}, large
        got = await asyncio.to_thread(curl, serving, "https://quay.io/v2/a/b/blobs/c", "ann:secret")
        assert got == (200, 200, BODY)
        assert [(ask.user, ask.client) for ask in serving.core.asked] == [("ann", "127.0.0.1")]
        refused = await asyncio.to_thread(curl, serving, "https://quay.io/v2/", "ann:wrong")
        assert refused == (407, 0, b"")

    told(story, tmp_path)


def test_a_tunnel_goes_through_tls_with_the_proxy(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", free_port())
        port = server.sockets[0].getsockname()[1]
        loopback = ipaddress.ip_network("127.0.0.0/8")
        serving.core.decisions[Authority("127.0.0.1", port)] = Tunnel((loopback,), named=True)
        context = ssl.create_default_context(cafile=str(serving.ca_file))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", serving.secured_port, ssl=context, server_hostname="quay.io"
        )
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(BODY[: 1 << 20])
        assert await reader.readexactly(1 << 20) == BODY[: 1 << 20]
        assert serving.edge.crowd.total == 1
        writer.close()
        server.close()

    told(story, tmp_path)


def test_inside_tls_who_asks_for_a_page_has_to_name_the_proxy(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        context = ssl.create_default_context(cafile=str(serving.ca_file))
        for host, said in (("Host: quay.io\r\n", "200 OK"), ("", "400 regproxy: the Host field: there is none")):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", serving.secured_port, ssl=context, server_hostname="quay.io"
            )
            writer.write(f"GET / HTTP/1.0\r\n{host}\r\n".encode())
            assert (await reader.readline()).decode() == f"HTTP/1.1 {said}\r\n"
            writer.transport.abort()

    told(story, tmp_path)


def test_a_client_that_does_not_trust_the_proxy_is_told_of_and_leaves_nothing(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        before = descriptors()

        def doubt() -> None:
            doubting = ssl.create_default_context(cafile=str(SYSTEM_BUNDLE))
            with socket.create_connection(("127.0.0.1", serving.secured_port), timeout=5) as connection:
                doubting.wrap_socket(connection, server_hostname="quay.io")

        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(doubt)
        for first in (b"GET / HTTP/1.1\r\n\r\n", b""):
            with socket.create_connection(("127.0.0.1", serving.secured_port), timeout=5) as connection:
                connection.sendall(first)
                connection.shutdown(socket.SHUT_WR)
                while await asyncio.to_thread(connection.recv, 4096):
                    pass
        async with asyncio.timeout(5):
            while serving.edge.tasks or serving.edge.streams or descriptors() > before:
                await asyncio.sleep(0.01)
        failed = [event for event in serving.core.events if isinstance(event, HandshakeFailed)]
        assert [event.cause for event in failed] == ["unknown_ca", "other", "closed"]
        assert {event.authority for event in failed} == {"quay.io"}

    told(story, tmp_path)


def test_a_client_that_begins_no_tls_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outer, "HANDSHAKE_SECONDS", 0.2)

    async def story(serving: Serving) -> None:
        def silent() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.secured_port), timeout=10) as connection:
                return connection.recv(1)

        assert await asyncio.to_thread(silent) == b""

    told(story, tmp_path)


def test_without_a_certificate_the_connection_is_refused_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_core: ScriptedCore, name: str) -> Leaf:
        raise CoreAway(f"regproxy: no leaf for {name}")

    monkeypatch.setattr(ScriptedCore, "leaf", away)

    async def story(serving: Serving) -> None:
        def ends() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.secured_port), timeout=10) as connection:
                return connection.recv(1)

        assert await asyncio.to_thread(ends) == b""
        (refused,) = serving.core.events
        assert isinstance(refused, ConnectFinished)
        assert refused.reason.endswith("no leaf for quay.io")

    told(story, tmp_path)


@pytest.mark.parametrize("outer_seconds", [0.2, 60.0])
def test_a_client_that_takes_nothing_any_more_is_let_go_and_counted_until_then(
    outer_seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is inside gives up on it, and the TLS around it as well."""
    monkeypatch.setattr(stream, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(outer, "SEND_SECONDS", outer_seconds)

    async def story(serving: Serving) -> None:
        serving.core.script = large
        context, before = ssl.create_default_context(cafile=str(serving.ca_file)), descriptors()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", serving.secured_port, ssl=context, server_hostname="quay.io", limit=1024
        )
        writer.write(b"GET /v2/a/b/blobs/c?ns=quay.io HTTP/1.1\r\nHost: quay.io\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        await until(lambda: not serving.edge.streams)
        if outer_seconds > 1:
            assert serving.edge.crowd.total == 1
            writer.transport.abort()
        await until(lambda: not serving.edge.tasks and descriptors() <= before + 1)
        assert serving.edge.crowd.total == 0
        writer.transport.abort()

    told(story, tmp_path)
