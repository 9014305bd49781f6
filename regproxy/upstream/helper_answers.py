"""What credential helpers said: asked for once at a time, kept for minutes, asked for anew when it is refused."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.login import FromHelper, IdentityToken, Password
from regproxy.upstream.helper_process import ask, program
from regproxy.upstream.single_flight import SingleFlight

# Helpers keep what they have for as long as it is good, and so get a new one before that ends: asking is cheap.
KEPT_SECONDS = 300.0
FAILED_SECONDS = 10.0
MAX_KEPT = 1024
MAX_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Said:
    """What a helper said at `at`, seconds since the epoch, good until `until`, monotonic; `failure`: why it did not."""

    login: Password | IdentityToken | None
    at: float
    until: float
    failure: str = ""


class Helpers:
    """Owns what was said and the processes that are asked; `directory` holds the programs, None: there are none."""

    def __init__(self, directory: Path | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._monotonic = monotonic
        self._said: dict[FromHelper, Said] = {}
        self._flights: SingleFlight[FromHelper, Said] = SingleFlight()
        self._turn = asyncio.Semaphore(MAX_AT_ONCE)

    async def get(self, asked: FromHelper, failed: Callable[[str], None]) -> Said:
        """What the helper says, or said a moment ago; where it fails, what it said before goes on.

        `failed` hears why it did, from one of those who wait for the same.
        """
        said = self._said.get(asked)
        if said is None or self._monotonic() >= said.until:
            said = await self._flights.run(asked, lambda: self._ask(asked, failed))
        return said

    async def renewed(
        self, asked: FromHelper, refused: Password | IdentityToken, failed: Callable[[str], None]
    ) -> Said:
        """The same after the registry refused what was said: asked for anew, unless somebody else did that already."""
        self.drop(asked, refused)
        return await self.get(asked, failed)

    def drop(self, asked: FromHelper, refused: Password | IdentityToken) -> None:
        """Forget what was refused."""
        said = self._said.get(asked)
        if said is not None and said.login == refused:
            del self._said[asked]

    def last(self, asked: FromHelper) -> Said | None:
        """What is known without asking."""
        return self._said.get(asked)

    async def close(self) -> None:
        """End what is under way and forget everything."""
        await self._flights.close()
        self._said.clear()

    async def _ask(self, asked: FromHelper, failed: Callable[[str], None]) -> Said:
        try:
            async with self._turn:
                path = await asyncio.to_thread(program, self._directory, asked.command)
                login = await ask(path, asked.authority)
        except ValueError as error:
            failed(str(error))
            before = self._said.get(asked)
            at, login_before = (before.at, before.login) if before is not None else (time.time(), None)
            said = Said(login_before, at, self._monotonic() + FAILED_SECONDS, str(error))
        else:
            said = Said(login, time.time(), self._monotonic() + KEPT_SECONDS)
        while len(self._said) >= MAX_KEPT and asked not in self._said:
            del self._said[next(iter(self._said))]
        self._said[asked] = said
        return said
