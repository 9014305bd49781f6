"""How registries answered lately: the time to the first byte of their last answers, and their last failure."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from regproxy.model.event import UpstreamFinished

MAX_ANSWERS = 100  # of one registry
MAX_REGISTRIES = 1000  # of more, the one that was quiet for the longest is forgotten
SLOW_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds until the head was there, of so many answers: half of them came within `median`."""

    answers: int
    median: float
    slow: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request had no usable answer, and when, in seconds since the epoch."""

    reason: str
    at: float


@dataclass(slots=True)
class _Known:
    milliseconds: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_ANSWERS))
    failure: Failure | None = None


class Lately:
    """Owns what is known of each registry block; `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def finished(self, event: UpstreamFinished) -> None:
        """A request ended; token services are other hosts and do not count."""
        if event.purpose == "token":
            return
        known = self._known.pop(event.registry) if event.registry in self._known else _Known()
        self._known[event.registry] = known
        while len(self._known) > MAX_REGISTRIES:
            del self._known[next(iter(self._known))]
        if event.failure:
            known.failure = Failure(event.failure, self._clock())
        elif event.first_byte is not None:
            known.milliseconds.append(event.first_byte)

    def latency(self, registry: str) -> Latency | None:
        """Of its last answers, if there were any."""
        known = self._known.get(registry)
        if known is None or not known.milliseconds:
            return None
        took = sorted(known.milliseconds)
        return Latency(len(took), took[(len(took) - 1) // 2], took[int((len(took) - 1) * SLOW_SHARE)])

    def failure(self, registry: str) -> Failure | None:
        """Its last one, whatever came since."""
        known = self._known.get(registry)
        return known.failure if known is not None else None
