"""The CA in force: its files are watched, what is new is checked first and swapped in whole, or what runs stays."""

import asyncio
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from regproxy.model.ca_event import CaNoticed, CaReloaded
from regproxy.model.event import Event
from regproxy.reload.look import Look, look
from regproxy.reload.watcher import Trigger
from regproxy.tls.directory import Holdings

REMIND_SECONDS = 60.0
REPEAT_SECONDS = 86400.0
MAX_SENTENCES = 10  # in one event


@dataclass(frozen=True, slots=True)
class CaSteps:
    """What a reload of the CA does, handed in by the program.

    `files` names what counts, and `read` reads it on a thread (raises OSError and ValueError); `check` says on the
    event loop, right before the swap, what of the running policy stops it, and `follow` acts on it right after.
    """

    files: Callable[[], Iterable[str]]
    read: Callable[[], Holdings]
    check: Callable[[Holdings], Iterable[str]]
    follow: Callable[[Holdings], None]
    report: Callable[[Event], None]
    clock: Callable[[], float]


@dataclass(slots=True)
class RunningCa:
    """Owns the holdings that leaves come from, and what was last seen of their files."""

    holdings: Holdings
    steps: CaSteps
    _seen: Look | None = None
    # When what was seen, and is not valid yet, will be; seconds since the epoch.
    _again: float | None = None
    _reminded: Mapping[str, float] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> Look:
        """What the files hold now, looked at on a thread."""
        return await asyncio.to_thread(self._look)

    def acted_on(self, seen: Look) -> bool:
        """Whether the last reload saw just this, and nothing of it waits for its time."""
        due = self._again is not None and self.steps.clock() >= self._again
        return seen == self._seen and not due

    async def reload(self, trigger: Trigger) -> None:
        """Reload now, or after the reload under way; never raises for what the files hold."""
        async with self._turn:
            self._again = None
            self._seen = await self.look()
            result: Literal["success", "unchanged", "failure"]
            findings: tuple[str, ...] = ()
            try:
                new = await asyncio.to_thread(self.steps.read)
            except (OSError, ValueError) as error:
                result, findings = "failure", (str(error),)
            else:
                findings = self._against(new)
                result = "failure" if findings else "unchanged" if new.same_as(self.holdings) else "success"
                if result == "success":
                    self.holdings = new
                    self.steps.follow(new)
                    findings = new.warnings
            # Nothing is said of files that were only touched; who asks is answered.
            if result != "unchanged" or trigger != "file":
                ca = self.holdings.ca
                self.steps.report(CaReloaded(result, trigger, ca.fingerprint, ca.not_after, findings[:MAX_SENTENCES]))
            self.remind()

    def _against(self, new: Holdings) -> tuple[str, ...]:
        """What speaks against it: it is not valid and what runs is, or the policy needs more."""
        now = self.steps.clock()
        lapse = new.ca.lapse(now)
        if lapse is not None and self.holdings.ca.lapse(now) is None:
            self._again = new.ca.not_before if now < new.ca.not_before else None
            return (lapse,)
        return tuple(self.steps.check(new))

    def _look(self) -> Look:
        """The modes count as well: a key that is refused for its mode is mended by chmod."""
        names = tuple(self.steps.files())
        seen = look(names)
        modes = {}
        for name in names:
            with suppress(OSError):
                modes[f"mode of {name}"] = oct(stat.S_IMODE(Path(name).stat().st_mode))
        return replace(seen, held={**seen.held, **modes})

    async def attend(self) -> None:
        """Say what is to be said of dates, until cancelled."""
        while True:
            self.remind()
            await asyncio.sleep(REMIND_SECONDS)

    def remind(self) -> None:
        """Say what is new to say of dates, and again what was said a day ago."""
        now = self.steps.clock()
        reminded = {}
        for sentence in self.holdings.notices(now):
            at = self._reminded.get(sentence)
            if at is None or abs(now - at) >= REPEAT_SECONDS:
                self.steps.report(CaNoticed(sentence))
                at = now
            reminded[sentence] = at
        self._reminded = reminded
