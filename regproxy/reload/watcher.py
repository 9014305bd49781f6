"""When to reload: the files changed and came to rest, or somebody sent SIGHUP.

A poll, not notifications: those are lost where Kubernetes swaps a link, an editor renames, or NFS lies below.
"""

import asyncio
from typing import Literal, Protocol

from regproxy.reload.look import Look

POLL_SECONDS = 5.0
SETTLE_SECONDS = 1.0

Trigger = Literal["file", "signal", "api"]


class Reloads(Protocol):
    """What is reloaded from files: the policy, or the CA."""

    async def look(self) -> Look:
        """What the files hold now."""
        ...

    def acted_on(self, seen: Look) -> bool:
        """Whether the last reload, or the start, saw just this."""
        ...

    async def reload(self, trigger: Trigger) -> object:
        """Reload now; never raises for what the files hold."""
        ...


class Watcher:
    """Looks at the files every `poll` seconds; a change counts once it is the same `settle` seconds later."""

    def __init__(self, reloader: Reloads, poll: float = POLL_SECONDS, settle: float = SETTLE_SECONDS) -> None:
        self._reloader = reloader
        self._poll = poll
        self._settle = settle
        self._hung_up = asyncio.Event()

    def hang_up(self) -> None:
        """Reload at once; signals that come while one is under way are one reload after it."""
        self._hung_up.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        changed: Look | None = None
        while True:
            if await self._signalled(self._poll if changed is None else self._settle):
                changed = None
                await self._reloader.reload("signal")
                continue
            seen = await self._reloader.look()
            if self._reloader.acted_on(seen):
                changed = None
            elif seen == changed:
                changed = None
                await self._reloader.reload("file")
            else:
                changed = seen

    async def _signalled(self, seconds: float) -> bool:
        """Whether SIGHUP came within that time."""
        try:
            await asyncio.wait_for(self._hung_up.wait(), seconds)
        except TimeoutError:
            return False
        self._hung_up.clear()
        return True
