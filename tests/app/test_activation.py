"""Sockets from systemd: taken by the process they are for, by name, and only where they listen."""

import os
import socket
import subprocess
import sys

import pytest

from regproxy.app.activation import activated

TAKING = """
import os, sys
from regproxy.app.activation import activated
environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": sys.argv[1], "LISTEN_FDNAMES": sys.argv[2]}
try:
    print([[one.getsockname()[1] for one in some] for some in activated(environ)])
except OSError as error:
    print(error)
"""


def take(sockets: list[socket.socket], names: str) -> str:
    """What a process that was started with these as its descriptors 3, 4 … finds."""
    moves = "".join(f"{3 + at}<&{one.fileno()} " for at, one in enumerate(sockets))
    command = ["bash", "-c", f'exec "$@" {moves}', "bash", sys.executable, "-c", TAKING, str(len(sockets)), names]
    fds = [one.fileno() for one in sockets]
    return subprocess.run(command, pass_fds=fds, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def high() -> list[socket.socket]:
    """Three listening sockets, and one that does not listen, on descriptors above those that are handed over."""
    made = []
    for number in range(4):
        plain = socket.socket()
        plain.bind(("127.0.0.1", 0))
        if number < 3:
            plain.listen()
        fd = os.dup2(plain.fileno(), 40 + number)
        plain.close()
        made.append(socket.socket(fileno=fd))
    return made


def test_sockets_go_where_their_names_say(high: list[socket.socket]) -> None:
    first, second, third, deaf = (one.getsockname()[1] for one in high)
    assert take(high[:3], "proxy:metrics:other") == str([[first, third], [second]])
    assert take(high[:1], "") == str([[first], []])
    assert take([high[3]], "proxy") == (
        "socket proxy, which systemd handed over, does not listen for streams; see its .socket unit"
    )
    for one in high:
        one.close()
    assert deaf


def test_what_is_meant_for_another_process_is_left_alone() -> None:
    assert activated({}) == ([], [])
    assert activated({"LISTEN_PID": "1", "LISTEN_FDS": "2"}) == ([], [])
    assert activated({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) == ([], [])
