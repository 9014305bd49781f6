"""The last exchanges about each image, with their headers, kept for the operator to look at."""

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, assert_never

from regproxy.model.event import Event, ExchangeFinished
from regproxy.model.exchange import AskAnswered, Shown, UpstreamAnswered
from regproxy.telemetry.fields import fields_of

MAX_IMAGES = 100  # repositories; the one that was quiet for the longest goes first
MAX_EXCHANGES = 40  # of one repository

_Kept = ExchangeFinished | AskAnswered | UpstreamAnswered


class Traces:
    """Owns them, in memory; `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._images: OrderedDict[tuple[str, str], deque[tuple[float, _Kept]]] = OrderedDict()

    def observe(self, event: Event) -> None:
        """Keep an event that is about a repository."""
        match event:
            case ExchangeFinished(labels=labels):
                self._keep((labels.registry, labels.repository), event)
            case AskAnswered(registry=registry, repository=repository):
                self._keep((registry, repository), event)
            case UpstreamAnswered(registry=registry, repository=repository):
                self._keep((registry, repository), event)
            case _:
                pass

    def _keep(self, key: tuple[str, str], event: _Kept) -> None:
        if not key[1]:
            return
        kept = self._images.get(key)
        if kept is None:
            kept = self._images[key] = deque(maxlen=MAX_EXCHANGES)
            if len(self._images) > MAX_IMAGES:
                self._images.popitem(last=False)
        else:
            self._images.move_to_end(key)
        kept.append((self._clock(), event))

    def of(self, registry: str, repository: str) -> list[dict[str, Any]]:
        """What is kept of a repository, the oldest first, as JSON."""
        return [_object(at, event) for at, event in self._images.get((registry, repository), ())]


def _object(at: float, event: _Kept) -> dict[str, Any]:
    time = {"time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    match event:
        case ExchangeFinished():
            return time | (fields_of(event) or {})
        case AskAnswered(client=client, outcome=outcome, tier=tier):
            told = {"event": "answer", "client": client, "outcome": outcome, "tier": tier}
            return time | told | _message(event.shown)
        case UpstreamAnswered(failure=failure, milliseconds=spent):
            said = {"event": "upstream", "failure": failure, "milliseconds": round(spent, 1)}
            return time | said | _message(event.shown)
        case _:
            assert_never(event)


def _message(shown: Shown) -> dict[str, Any]:
    return {
        "authority": shown.authority,
        "method": shown.method,
        "path": shown.path,
        "request": [list(field) for field in shown.sent],
        "status": shown.status,
        "answer": [list(field) for field in shown.received],
    }
