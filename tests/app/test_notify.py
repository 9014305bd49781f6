"""What systemd is told: ready when clients can be served and not before, alive from then on, reloads with both ends."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from regproxy.app.notify import Notifier
from regproxy.model.event import PolicyReloaded

RELOADED = PolicyReloaded("failure", "signal", "", (), (), 0.0, 1.0)


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd has it, and its name as it is told."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(path if request.param == "path" else f"\0{path}")
        heard.settimeout(5)
        yield heard, path if request.param == "path" else f"@{path}"


def test_it_is_ready_when_nothing_is_lacking_and_then_alive(listening: tuple[socket.socket, str]) -> None:
    heard, name = listening
    lacking = ["starting", "no edge is connected"]

    async def story() -> list[str]:
        environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "40000"}
        running = asyncio.ensure_future(Notifier(environ, lambda: lacking.pop(0) if lacking else None).run())
        said = [(await asyncio.to_thread(heard.recv, 4096)).decode() for _ in range(3)]
        running.cancel()
        return said

    assert asyncio.run(story()) == ["READY=1", *["WATCHDOG=1\nSTATUS=serving"] * 2]
    assert lacking == []


def test_a_reload_has_a_beginning_and_an_end_whatever_comes_of_it(listening: tuple[socket.socket, str]) -> None:
    heard, name = listening
    notifier = Notifier({"NOTIFY_SOCKET": name}, lambda: None)
    notifier.observe(RELOADED)
    notifier.reloading()
    notifier.observe(RELOADED)
    notifier.observe(RELOADED)
    notifier.stopping()
    began, ended, stopping = (heard.recv(4096).decode() for _ in range(3))
    reloading, at = began.split("\n")
    assert reloading == "RELOADING=1"
    assert at.removeprefix("MONOTONIC_USEC=").isdigit()
    assert (ended, stopping) == ("READY=1", "STOPPING=1\nSTATUS=draining")


def test_without_systemd_nothing_is_said_and_a_dead_one_is_no_trouble(tmp_path: Path) -> None:
    asyncio.run(Notifier({}, lambda: None).run())
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, lambda: None).stopping()
