"""Names are looked up as the system's resolv.conf says: where its first name server is dead, the second one serves."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.peers import lack, need_root

ROOT = Path(__file__).parents[2]
DEAD, ALIVE = "127.53.0.1", "127.53.0.2"
PULL = """
import asyncio, ipaddress, sys
from regproxy.model.address import Authority, Reach
from regproxy.model.registry import HostPattern, Registry
from regproxy.proxy.tunnel import dial
from regproxy.upstream.client import Client
from regproxy.upstream.request import Limits, UpstreamRequest
from tests.upstream.standin import Events, Recorder

async def story(port):
    there, allow = Authority("registry.test", port), (ipaddress.ip_network("127.0.0.0/8"),)
    block = Registry("lab", (HostPattern(there.host, port),), scheme="http", allow_address=allow)
    client, recorder = Client(Events()), Recorder()
    await client.start(UpstreamRequest(there, "http", block, "GET", "/v2/", (), "ping"), recorder).finished()
    (head,) = recorder.heads
    (await dial(there, Reach(allow=allow), Limits().connect)).close()
    await client.close()
    print("pulled", head.status)

asyncio.run(story(int(sys.argv[1])))
"""
_TYPE_A = b"\0\1\0\1"


def named(query: bytes) -> bytes:
    """The answer of a name server to whom every name is 127.0.0.1, and none has an address of IPv6."""
    question = query[12 : query.index(b"\0", 12) + 5]
    found = question.endswith(_TYPE_A)
    record = b"\xc0\x0c" + _TYPE_A + b"\0\0\0\1" + b"\0\4" + socket.inet_aton("127.0.0.1")
    return query[:2] + b"\x81\x80\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0" + question + record * found


@contextlib.contextmanager
def served() -> Iterator[int]:
    """A registry, whose port this is, and a name server that knows it."""
    with socket.create_server(("127.0.0.1", 0)) as registry, socket.socket(type=socket.SOCK_DGRAM) as names:
        names.bind((ALIVE, 53))

        def answer() -> None:
            query, asker = names.recvfrom(512)
            while query:
                names.sendto(named(query), asker)
                query, asker = names.recvfrom(512)

        def serve() -> None:
            with contextlib.suppress(OSError), registry.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                registry.accept()[0].close()

        threads = [threading.Thread(target=work) for work in (answer, serve)]
        for thread in threads:
            thread.start()
        try:
            yield registry.getsockname()[1]
        finally:
            for listening in (names, registry):
                with contextlib.suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)


@pytest.mark.parametrize(("silent", "options"), [(False, ""), (True, "options timeout:1\n")])
def test_a_dead_name_server_costs_no_pull_where_there_is_another(silent: bool, options: str, tmp_path: Path) -> None:
    need_root("a name server has port 53, and a mount of its own")
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"{options}nameserver {DEAD}\nnameserver {ALIVE}\n")
    mount = 'mount --bind "$0" /etc/resolv.conf && exec "$1" -c "$2" "$3"'
    with contextlib.ExitStack() as stack:
        if silent:
            # It takes every question and answers none.
            stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind((DEAD, 53))
        port = stack.enter_context(served())
        command = ["unshare", "-m", "sh", "-c", mount, str(conf), sys.executable, PULL, str(port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    if "unshare" in done.stderr or "mount" in done.stderr:
        lack("mounting is not allowed here; run the tests as root of the machine")
    assert done.stdout == "pulled 200\n", done.stderr
