"""The proxy port: its own pages, refusals that say why, tunnels that go only where they may."""

import asyncio
import errno
import http.client
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from regproxy.model.address import Authority
from regproxy.model.connect import Intercept, Refuse, Tunnel
from regproxy.model.event import ConnectFinished, TunnelClosed
from regproxy.model.leaf import Leaf, NotValidNow
from tests.lab.client import Refused, connect, plain
from tests.proxy.serving import ScriptedCore, Serving, told
from tests.wire.joined import until

WORKING = "docker-registry-proxy: The docker caching proxy is working!"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def test_the_proxy_says_what_it_is_and_hands_out_its_ca(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        page = await asyncio.to_thread(plain, serving.port, "GET", "/")
        assert (page.status, page.body.decode().splitlines()[0]) == (200, WORKING)
        assert f"http://127.0.0.1:{serving.port}/setup/docker" in page.body.decode()
        html = await asyncio.to_thread(lambda: plain(serving.port, "GET", "/", Accept="text/html"))
        assert b"<h1>" in html.body
        ca = await asyncio.to_thread(plain, serving.port, "GET", "/ca.crt")
        assert ca.body == serving.ca_file.read_bytes()
        assert (await asyncio.to_thread(plain, serving.port, "HEAD", "/ca.crt")).body == b""
        assert (await asyncio.to_thread(plain, serving.port, "GET", "/nothing")).status == 404
        assert (await asyncio.to_thread(plain, serving.port, "POST", "/")).status == 404

    told(story, tmp_path)


def test_who_gives_no_name_for_the_proxy_and_leaves_at_once_is_no_error(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        errors: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", serving.port), 5) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
                assert await asyncio.to_thread(client.recv, 1) == b""
            await until(lambda: not serving.edge.tasks)
        assert errors == []

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("authority", "status", "words"),
    [
        ("elsewhere.example:443", 403, "not in the script"),
        ("quay.io", 400, "has no port"),
        ("2130706433:443", 400, "not a host name"),
        ("user@quay.io:443", 400, "not a host name"),
        ("quay.io:99999", 400, "no valid port"),
    ],
)
def test_a_refused_connect_says_why_in_its_reason_phrase(
    tmp_path: Path, authority: str, status: int, words: str
) -> None:
    async def story(serving: Serving) -> None:
        with pytest.raises(Refused) as caught:
            await asyncio.to_thread(connect, serving.port, authority)
        assert caught.value.status == status
        assert words in caught.value.reason
        assert isinstance(serving.core.events[-1], ConnectFinished)

    told(story, tmp_path)


@pytest.mark.parametrize("request_line", ["CONNECT elsewhere.example:443", "GET http://quay.io/v2/", "GET /nothing"])
def test_a_refused_client_that_stays_is_let_go(tmp_path: Path, request_line: str) -> None:
    async def story(serving: Serving) -> None:
        def run() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.port), 5) as client:
                client.sendall(f"{request_line} HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n".encode())
                received = b""
                while chunk := client.recv(4096):  # to the end of the connection, or the time limit
                    received += chunk
                return received

        answer = await asyncio.to_thread(run)
        assert answer.startswith(b"HTTP/1.1 40")
        assert b"Connection: close" in answer
        assert answer.endswith(b"}\n")
        assert not serving.edge.streams

    told(story, tmp_path)


def test_pages_keep_the_connection(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> list[int]:
            connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=5)
            connection.connect()
            connection.auto_open = 0
            statuses = []
            for method, path in (("GET", "/"), ("HEAD", "/ca.crt"), ("GET", "/ca.crt")):
                connection.request(method, path)
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            connection.close()
            return statuses

        assert await asyncio.to_thread(run) == [200, 200, 200]

    told(story, tmp_path)


def test_a_connect_whose_host_names_another_is_refused(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.port), 5) as client:
                client.sendall(b"CONNECT quay.io:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
                return client.recv(4096)

        assert b"400 regproxy: the Host field names evil.example" in await asyncio.to_thread(run)

    told(story, tmp_path)


@pytest.mark.parametrize("failing", ["on_connect", "leaf", "report"])
def test_a_connect_that_fails_inside_is_cut_off_and_told(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(ScriptedCore, failing, fail)

    async def story(serving: Serving) -> None:
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(asyncio.to_thread(connect, serving.port, "quay.io:443"), 5)
        assert not serving.edge.streams

    told(story, tmp_path)
    assert "Too many open files" in caplog.text


def test_without_a_valid_ca_interception_is_refused_for_now_and_the_reason_phrase_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lapsed(_core: ScriptedCore, _name: str) -> Leaf:
        raise NotValidNow("the CA /ca/ca.crt ended on 2027-01-15")

    monkeypatch.setattr(ScriptedCore, "leaf", lapsed)

    async def story(serving: Serving) -> None:
        with pytest.raises(Refused) as refused:
            await asyncio.to_thread(connect, serving.port, "quay.io:443")
        assert refused.value.status == 503
        assert refused.value.reason == ("regproxy cannot intercept quay.io: the CA /ca/ca.crt ended on 2027-01-15")
        (event,) = (event for event in serving.core.events if isinstance(event, ConnectFinished))
        assert (event.decision, event.status) == ("failed", 503)

    told(story, tmp_path)


def test_tls_to_the_port_itself_is_noted_for_the_doctor_and_ends(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> None:
            context = ssl.create_default_context()
            with (
                socket.create_connection(("127.0.0.1", serving.port), 5) as client,
                pytest.raises(OSError, match=r"EOF|reset"),
            ):
                context.wrap_socket(client, server_hostname="proxy.example")

        await asyncio.to_thread(run)
        page = await asyncio.to_thread(plain, serving.port, "GET", "/doctor")
        assert "write http://, not https://, in HTTPS_PROXY" in page.body.decode()
        assert "The proxy's own port: refused once" in page.body.decode()

    told(story, tmp_path)


def test_bytes_before_the_tunnel_is_open_end_the_connection(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        def run() -> bytes:
            with socket.create_connection(("127.0.0.1", serving.port), 5) as client:
                client.sendall(b"CONNECT quay.io:443 HTTP/1.1\r\nHost: quay.io:443\r\n\r\nGET /poison HTTP/1.1\r\n\r\n")
                received = b""
                while chunk := client.recv(4096):
                    received += chunk
                return received

        answer = await asyncio.to_thread(run)
        assert answer.startswith(b"HTTP/1.1 400 regproxy: the client sent bytes before the tunnel was open")
        assert b"hello" not in answer
        assert serving.core.asked == []

    told(story, tmp_path)


def test_plain_http_is_for_registries_with_scheme_http_and_never_working(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        refused = await asyncio.to_thread(plain, serving.port, "GET", "http://quay.io/v2/")
        assert refused.status == 403
        assert b"working" not in refused.body
        serving.core.decisions[Authority("lan.example", 5000)] = Intercept(
            Authority("lan.example", 5000), "lan", "http"
        )
        target = "http://lan.example:5000/v2/"
        reply = await asyncio.to_thread(lambda: plain(serving.port, "GET", target, host="lan.example:5000"))
        assert (reply.status, reply.body) == (200, b"hello")
        assert (serving.core.asked[0].scheme, serving.core.asked[0].target) == ("http", "/v2/")
        other = await asyncio.to_thread(lambda: plain(serving.port, "GET", target, host="evil.example"))
        assert other.status == 421

    told(story, tmp_path)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back once the client has ended its side."""
    data = await reader.read()
    writer.write(data)
    await writer.drain()
    writer.close()


def test_a_tunnel_carries_bytes_both_ways_and_half_closes(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            authority = Authority("127.0.0.1", port)
            serving.core.decisions[authority] = Tunnel(LOOPBACK, named=False)

            def run() -> bytes:
                with connect(serving.port, str(authority)) as client:
                    client.sendall(b"x" * 1_000_000)
                    client.shutdown(socket.SHUT_WR)
                    received = b""
                    while chunk := client.recv(65536):
                        received += chunk
                    return received

            assert await asyncio.to_thread(run) == b"x" * 1_000_000
            async with asyncio.timeout(5):
                while not any(isinstance(event, TunnelClosed) for event in serving.core.events):
                    await asyncio.sleep(0.01)
        closed = serving.core.events[-1]
        assert isinstance(closed, TunnelClosed)
        assert (closed.sent, closed.received) == (1_000_000, 1_000_000)

    told(story, tmp_path)


THROUGH = Tunnel((), named=False, parent=True)
GITHUB = Authority("github.com", 443)


def test_a_tunnel_through_a_parent_proxy_is_connected_by_the_core(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        ours, theirs = socket.socketpair()
        serving.core.decisions[GITHUB], serving.core.led = THROUGH, ours.detach()

        def run() -> bytes:
            with connect(serving.port, "github.com:443") as client, theirs:
                theirs.sendall(b"hello")
                client.sendall(b"HELLO")
                return client.recv(5) + theirs.recv(5)

        assert await asyncio.to_thread(run) == b"helloHELLO"
        assert serving.core.led_for == [(GITHUB, "127.0.0.1", "")]

    told(story, tmp_path)


@pytest.mark.parametrize(("status", "decision"), [(502, "failed"), (504, "failed"), (503, "failed"), (403, "refuse")])
def test_why_there_is_no_way_through_the_parent_proxy_is_told(status: int, decision: str, tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        reason = "regproxy cannot reach github.com: the parent proxy answered 407 Who are you?"
        serving.core.decisions[GITHUB], serving.core.led = THROUGH, Refuse(status, reason)
        with pytest.raises(Refused) as caught:
            await asyncio.to_thread(connect, serving.port, "github.com:443")
        assert (caught.value.status, caught.value.reason) == (status, reason)
        (noted,) = (event for event in serving.core.events if isinstance(event, ConnectFinished))
        assert (noted.decision, noted.status, noted.reason) == (decision, status, reason)

    told(story, tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_tunnel_opens_no_socket_to_what_the_table_closes(tmp_path: Path, host: str) -> None:
    async def story(serving: Serving) -> None:
        reached: list[object] = []

        async def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reached.append(writer)
            writer.close()

        async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            authority = Authority(str(ipaddress.ip_address(host.strip("[]"))) if ":" in host else host, port)
            serving.core.decisions[authority] = Tunnel((), named=True)
            with pytest.raises(Refused, match="loopback"):
                await asyncio.to_thread(connect, serving.port, f"{host}:{port}")
        assert reached == []

    told(story, tmp_path)


def test_the_proxy_does_not_tunnel_to_itself(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.decisions[Authority("127.0.0.1", serving.port)] = Tunnel(LOOPBACK, named=False)
        with pytest.raises(Refused, match="itself"):
            await asyncio.to_thread(connect, serving.port, f"127.0.0.1:{serving.port}")

    told(story, tmp_path)


def test_an_upstream_that_refuses_is_a_502_that_says_so(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        serving.core.decisions[Authority("127.0.0.1", port)] = Tunnel(LOOPBACK, named=False)
        with pytest.raises(Refused, match="Connection refused") as caught:
            await asyncio.to_thread(connect, serving.port, f"127.0.0.1:{port}")
        assert caught.value.status == 502

    told(story, tmp_path)
