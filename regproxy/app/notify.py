"""Telling systemd how it goes: ready, reloading, stopping, alive (sd_notify(3)); silent where nobody asked."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping

from regproxy.model.event import Event, PolicyReloaded

STARTING_SECONDS = 0.1
IDLE_SECONDS = 10.0


class Notifier:
    """Owns what systemd was told last; `lacks` says why the proxy is not ready, or None."""

    def __init__(self, environ: Mapping[str, str], lacks: Callable[[], str | None]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        period = environ.get("WATCHDOG_USEC", "")
        # Twice in each period that systemd waits for us (sd_watchdog_enabled(3)).
        self._pause = min(IDLE_SECONDS, int(period) / 2e6) if period.isdigit() and int(period) else IDLE_SECONDS
        self._lacks = lacks
        self._reloading = False

    async def run(self) -> None:
        """Say when the proxy is ready, and from then on that it is alive; returns at once where nobody listens."""
        if not self._address:
            return
        while self._lacks() is not None:
            await asyncio.sleep(STARTING_SECONDS)
        self._say("READY=1")
        while True:
            self._say("WATCHDOG=1", f"STATUS={self._lacks() or 'serving'}")
            await asyncio.sleep(self._pause)

    def reloading(self) -> None:
        """A reload begins; systemd waits until it ends, which `observe` notices."""
        self._reloading = True
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """The reload is over, whatever came of it."""
        if self._reloading:
            self._reloading = False
            self._say("READY=1")

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, PolicyReloaded):
            self.reloaded()

    def stopping(self) -> None:
        """No new client is taken."""
        self._say("STOPPING=1", "STATUS=draining")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        # A leading @ is an address that no file system has (unix(7)).
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)
