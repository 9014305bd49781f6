"""More clients than the proxy has room for."""

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import Story, hostile_block
from tests.lab.answers import Answer
from tests.lab.certificates import Pki
from tests.lab.client import Client, plain
from tests.lab.hostile import Hostile
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy

pytestmark = pytest.mark.real


def cpu_seconds(proxy: Proxy) -> float:
    fields = Path(f"/proc/{proxy.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_thousand_silent_clients_keep_nobody_out_and_cost_nothing(
    story: Story, hostile: Hostile, pki: Pki, soak: float
) -> None:
    hostile.on("registry.test", "/x", Answer(200, body=b"hello"))
    flags = ("--max-connections", "40", "--max-connections-per-client", "40")
    proxy = story.proxy(policy(hostile_block(hostile, pki)), arguments=flags, workers=1)
    with ExitStack() as held:
        for _ in range(int(1000 * soak)):
            held.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 5))
        before = cpu_seconds(proxy)
        time.sleep(1)
        assert cpu_seconds(proxy) - before < 0.2
        assert proxy.ready(), "metrics and health have descriptors of their own"
        with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
            assert client.get("/x").body == b"hello"


def test_one_client_leaves_room_for_others(story: Story, hostile: Hostile, pki: Pki) -> None:
    hostile.on("registry.test", "/x", Answer(200, body=b"hello"))
    flags = ("--max-connections", "40", "--max-connections-per-client", "4")
    proxy = story.proxy(policy(hostile_block(hostile, pki)), arguments=flags, workers=1)
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(Client(proxy.port, proxy.ca_file, "registry.test:443"))
        refused = plain(proxy.port, "GET", "/")
        assert (refused.status, refused.reason) == (503, "regproxy: too many connections from this address")
        other = socket.create_connection(("127.0.0.1", proxy.port), 5, source_address=("127.0.0.2", 0))
        with other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200 ")
    turned_away = 'regproxy_client_connections_turned_away_total{reason="address"}'
    until(lambda: proxy.metrics()[turned_away] == 1, 20, "what the edge tells")
    assert [line for line in proxy.log() if "--max-connections-per-client" in str(line.get("message"))]
