"""Exchanges of one client for one repository, joined to the pull of an image: HEAD, manifests, config and layers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from regproxy.model.event import BodyBegan, Event, ExchangeFinished, Outcome
from regproxy.model.pull_event import PullFinished, PullOutcome
from regproxy.telemetry.client_metrics import SOURCES

# Pulls under way; of more, those that began first end early.
MAX_PULLS_UNDER_WAY = 10_000
# Of one pull so many references are remembered; clients may go on to ask for others for an hour.
MAX_MANIFESTS = 100
# A pull has ended when for so long nothing of it was asked and no body is on its way.
QUIET_SECONDS = 10.0
# What goes on for longer is told in parts: an edge may have died with bodies on their way.
MAX_PULL_SECONDS = 3600.0

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Pull:
    """One pull under way; times are monotonic, `open` counts the bodies on their way."""

    began: float
    ended: float
    registry: str
    reference: str = ""
    open: int = 0
    got: set[str] = field(default_factory=set)
    blobs: int = 0
    hit: int = 0
    missed: int = 0
    spent: int = 0
    requests: int = 0
    failed: bool = False

    def over(self, now: float) -> bool:
        quiet = self.open <= 0 and now - self.ended >= QUIET_SECONDS
        return quiet or now - self.began >= MAX_PULL_SECONDS

    @property
    def outcome(self) -> PullOutcome:
        if self.failed:
            return "failed"
        if not self.missed:
            return "hit"
        return "partial" if self.hit else "miss"


class Pulls:
    """Owns the pulls under way; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pulls: dict[_Key, _Pull] = {}
        self._done: list[PullFinished] = []

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        if event.__class__ is ExchangeFinished:
            if event.labels.kind in ("manifest", "blob"):
                self._exchange(event)
        elif event.__class__ is BodyBegan:
            labels = event.labels
            pull = self._pulls.get((event.client, event.authority, labels.repository))
            if pull is not None:
                pull.open += 1

    def _exchange(self, event: ExchangeFinished) -> None:
        labels, now = event.labels, self._clock()
        key = event.client, event.authority, labels.repository
        pull = self._pulls.get(key)
        wanted = labels.kind == "manifest" and event.method == "GET"
        if pull is not None and wanted and pull.blobs and labels.reference in pull.got:
            # It has had what this asks for, and layers too: another pull begins.
            self._end(key)
            pull = None
        if pull is None:
            if labels.kind == "blob":
                return  # a layer alone is no pull
            pull = self._begin(key, event, now)
        pull.ended = now
        pull.requests += 1
        if event.streamed:
            pull.open = max(0, pull.open - 1)
        if wanted:
            if len(pull.got) < MAX_MANIFESTS:
                pull.got.add(labels.reference)
            pull.reference = pull.reference or labels.reference
        elif labels.kind == "blob":
            pull.blobs += 1
        self._count(pull, event)

    def _begin(self, key: _Key, event: ExchangeFinished, now: float) -> _Pull:
        while len(self._pulls) >= MAX_PULLS_UNDER_WAY:
            self._end(next(iter(self._pulls)))
        began = now - event.milliseconds / 1000
        reference = "" if event.labels.reference.partition(":")[2] else event.labels.reference
        pull = self._pulls[key] = _Pull(began, now, event.labels.registry, reference)
        return pull

    def _count(self, pull: _Pull, event: ExchangeFinished) -> None:
        source = SOURCES[event.labels.outcome]
        if source == "upstream":
            pull.missed += event.bytes
            pull.spent += event.labels.kind == "manifest" and event.method == "GET" and event.status == HTTPStatus.OK
        elif source != "proxy":
            pull.hit += event.bytes
        if not event.complete or (event.status >= HTTPStatus.BAD_REQUEST and not _told(event)):
            pull.failed = True

    def _end(self, key: _Key) -> None:
        pull = self._pulls.pop(key)
        if not pull.got:
            return  # a HEAD asks what a tag means, and pulls nothing
        client, authority, repository = key
        milliseconds = (pull.ended - pull.began) * 1000
        self._done.append(
            PullFinished(
                client,
                authority,
                pull.registry,
                repository,
                pull.reference,
                pull.outcome,
                pull.hit,
                pull.missed,
                pull.spent,
                pull.requests,
                milliseconds,
            )
        )

    def ended(self, *, all_of_them: bool = False) -> Iterator[PullFinished]:
        """Those that have ended since it was asked last; `all_of_them`: the others end now."""
        now = self._clock()
        for key in [key for key, pull in self._pulls.items() if all_of_them or pull.over(now)]:
            self._end(key)
        done, self._done = self._done, []
        yield from done


def _told(event: ExchangeFinished) -> bool:
    """Whether a client without a token was told to get one; that is no failure of a pull."""
    return event.labels.outcome is Outcome.LOCAL or event.status == HTTPStatus.UNAUTHORIZED
