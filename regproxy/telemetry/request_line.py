"""The log line of a request, the one that is written most: the same JSON as of all others, put together from parts.

Clients, hosts, repositories and tiers recur from request to request; each is made fit for JSON once.
"""

import json
from collections.abc import Callable

from regproxy.model.event import ExchangeFinished

MAX_KNOWN = 4096


class _Quoted(dict[str, str]):
    """Strings as they stand in a line, each made so when it is asked for first; all are dropped at `MAX_KNOWN`."""

    def __init__(self, bounded: Callable[[str], str]) -> None:
        super().__init__()
        self._bounded = bounded

    def __missing__(self, value: str) -> str:
        if len(self) >= MAX_KNOWN:
            self.clear()
        found = self[value] = json.dumps(self._bounded(value))
        return found


class RequestLines:
    """Owns the values that are ready for a line; `bounded` makes a value fit."""

    def __init__(self, bounded: Callable[[str], str]) -> None:
        self._quoted = _Quoted(bounded)

    def __len__(self) -> int:
        """How many values are ready."""
        return len(self._quoted)

    def line(self, time: str, event: ExchangeFinished) -> str:
        """The line of a request that ended at `time`."""
        labels, quoted = event.labels, self._quoted
        user = f'"user":{quoted[event.user]},' if event.user else ""
        return (
            f'{{"time":"{time}","event":"request","client":{quoted[event.client]},{user}'
            f'"authority":{quoted[event.authority]},"registry":{quoted[labels.registry]},'
            f'"repository":{quoted[labels.repository]},"reference":{quoted[labels.reference]},'
            f'"kind":{quoted[labels.kind]},"method":{quoted[event.method]},"status":{event.status},'
            f'"bytes":{event.bytes},"milliseconds":{round(event.milliseconds, 1)},"outcome":"{labels.outcome}",'
            f'"tier":{quoted[labels.tier]},"complete":{"true" if event.complete else "false"}{self._rare(event)}}}\n'
        )

    def _rare(self, event: ExchangeFinished) -> str:
        """What few lines have."""
        stale, trace = event.labels.stale, event.trace
        if stale is None and not trace:
            return ""
        told = "" if stale is None else f',"stale":"{stale.reason}","stale_seconds":{round(stale.seconds)}'
        return f'{told},"trace_id":"{trace}"' if trace else told
