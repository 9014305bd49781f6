"""Tells the operator that clients find no room, now and then however many they are."""

from collections.abc import Callable
from dataclasses import dataclass, field

from regproxy.model.event import Event
from regproxy.model.measure import EdgeMeasured
from regproxy.model.message import printable

MIN_SECONDS = 60.0  # between two lines
MAX_ADDRESS = 45  # characters; the longest that inet_ntop(3) writes


@dataclass(slots=True)
class Crowding:
    """Adds up what edges say they did for want of room; `clock` is monotonic, `warn` hears of it once a minute."""

    clock: Callable[[], float]
    warn: Callable[[str], None]
    _told_at: float = field(default=float("-inf"))
    _address: int = 0
    _idle: int = 0
    _preparing: int = 0
    _waits: int = 0
    _last: str = ""

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        if not isinstance(event, EdgeMeasured):
            return
        away = event.turned_away
        self._address += away.address
        self._idle += away.idle
        self._preparing += away.preparing
        self._waits += event.waits
        self._last = away.last or self._last
        said = self._sentences()
        if said and self.clock() - self._told_at >= MIN_SECONDS:
            self._told_at = self.clock()
            self.warn("; ".join(said))
            self._address = self._idle = self._preparing = self._waits = 0

    def _sentences(self) -> list[str]:
        said = []
        if self._address:
            client = printable(self._last, MAX_ADDRESS)
            said.append(
                f"{self._address} connections were turned away, the last of {client}, whose share is taken: see "
                "--max-connections-per-client, or --proxy-protocol-from where that is a balancer"
            )
        if self._idle or self._waits:
            said.append(
                f"there is no room: {self._idle} idle connections were closed, and for {self._waits / 10:.1f} s "
                "clients had to wait: see --max-connections, and how many files the process may open"
            )
        if self._preparing:
            said.append(f"{self._preparing} connections were closed, for too many do not say for whom they are")
        return said
