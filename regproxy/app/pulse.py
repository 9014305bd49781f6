"""How a process is, told now and then: how late its event loop is, and what it takes of the machine."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from regproxy.model.event import Event
from regproxy.model.measure import ProcessMeasured

LOOK_SECONDS = 0.25
LOOKS = 4  # between two reports
_STATM = Path("/proc/self/statm")


class Heart:
    """Looks at the loop that it runs on; `more` gives what else the process has to tell."""

    def __init__(self, process: str, report: Callable[[Event], None], more: Callable[[], Iterable[Event]]) -> None:
        self._process = process
        self._report = report
        self._more = more
        self._cpu = 0.0

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            lags = [await _lag() for _ in range(LOOKS)]
            self.tell(tuple(lags))

    def tell(self, lags: tuple[float, ...]) -> None:
        """Tell it now."""
        cpu = time.process_time()
        taken, self._cpu = cpu - self._cpu, cpu
        self._report(ProcessMeasured(self._process, lags, taken, _resident_bytes()))
        for event in self._more():
            self._report(event)


async def _lag() -> float:
    """How much later than asked the loop comes back."""
    loop = asyncio.get_running_loop()
    due = loop.time() + LOOK_SECONDS
    await asyncio.sleep(LOOK_SECONDS)
    return max(0.0, loop.time() - due)


def _resident_bytes() -> int:
    """As the kernel counts (proc(5)); 0 where it does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
