"""A plain model of the cache: what the registry holds, what was ever verified, what a tier promises, and what is sent.

No I/O and no concurrency. It says for one request which answer is due, and which calls the registry then sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from regproxy.model.event import Outcome
from tests.lab.images import sha256

Method = Literal["GET", "HEAD"]
Fault = Literal["", "429", "pulls", "500", "drop", "cut", "broken", "wrong", "slow"]
# Host and repository; the second repository of a host lacks the bodies with odd numbers.
Place = tuple[str, str]

PLACES: tuple[Place, ...] = (("quay.io", "a/b"), ("quay.io", "c/d"), ("ghcr.io", "a/b"))
MANIFESTS = tuple(b'{"schemaVersion":2,"number":%d}' % number + b" " * 30_000 * number for number in range(4))
BLOBS = tuple(bytes([65 + number]) * size for number, size in enumerate([10_000, 65_537, 300_000, 700_000, 1_300_000]))
BODIES = MANIFESTS + BLOBS
DIGESTS = tuple(sha256(body) for body in BODIES)
NUMBERS = {digest: number for number, digest in enumerate(DIGESTS)}
TAGS = ("zero", "latest", "swr")
RETRY_AFTER = 30
# After so long whoever reads a public repository is asked about again: what a policy says that says nothing of it.
RECHECK = 3600
NO_ANSWER = 0


def holds(place: Place, number: int) -> bool:
    """Whether the repository has this body."""
    return place[1] != "c/d" or number % 2 == 0


def is_manifest(number: int) -> bool:
    """Whether a body is a manifest; the others are blobs."""
    return number < len(MANIFESTS)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a tier grants a tag, in seconds."""

    fresh: float
    stale: float
    while_revalidate: float = 0.0


@dataclass(slots=True)
class Registry:
    """What the registry says: where tags point, which repositories it hides, and what is wrong with it now."""

    tags: dict[tuple[Place, str], int] = field(default_factory=dict)
    hidden: set[Place] = field(default_factory=set)
    fault: Fault = ""

    def find(self, place: Place, reference: str) -> tuple[int, int]:
        """Status and number of a body, were nothing wrong."""
        if place in self.hidden:
            return 403, -1
        number = NUMBERS.get(reference, self.tags.get((place, reference), -1))
        return (200, number) if number >= 0 and holds(place, number) else (404, -1)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a tag meant when the registry last said so."""

    number: int
    validated_at: float
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """An answer: its status, its word, the body it is about (-1: none of ours), and whether that breaks off."""

    status: int
    outcome: Outcome
    number: int = -1
    broken: bool = False


@dataclass(slots=True)
class Model:
    """The cache as it should be; `calls` is what the registry sees of the request at hand."""

    registry: Registry
    promises: Mapping[str, Promise]
    now: float
    meanings: dict[tuple[Place, str], Meaning] = field(default_factory=dict)
    links: set[tuple[Place, int]] = field(default_factory=set)
    public: dict[Place, float] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    limits: dict[str, float] = field(default_factory=dict)
    pull_limits: dict[str, float] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    dropped: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def copy(self) -> "Model":
        """The same, without calls; the registry is one."""
        return replace(
            self,
            meanings=dict(self.meanings),
            links=set(self.links),
            public=dict(self.public),
            held=set(self.held),
            limits=dict(self.limits),
            pull_limits=dict(self.pull_limits),
            counted=set(self.counted),
            dropped=dict(self.dropped),
            calls=[],
        )

    def restart(self) -> None:
        """What is only in memory is lost."""
        self.limits, self.pull_limits, self.counted, self.dropped = {}, {}, set(), {}

    # What an edge may repeat, and what would make a client wait.

    def repeatable(self, place: Place, reference: str) -> int:
        """The body that a fresh answer names, wherever its bytes are; -1 if there is none."""
        if not self._open(place):
            return -1
        if reference in NUMBERS:
            return NUMBERS[reference] if (place, NUMBERS[reference]) in self.links else -1
        known = self.meanings.get((place, reference))
        fresh = known is not None and not known.gone and self._age(known) < self.promises[reference].fresh
        return known.number if known is not None and fresh else -1

    def usable(self, place: Place, number: int) -> bool:
        """Whether the bytes are here and the repository is known to have them."""
        return number in self.held and (place, number) in self.links

    def patient(self, place: Place, tag: str) -> bool:
        """Whether a slow registry would be answered for, with bytes that are here."""
        known = self.meanings.get((place, tag)) if place in self.public else None
        return known is not None and self._survives(tag, known) and self.usable(place, known.number)

    def _open(self, place: Place) -> bool:
        """Whether strangers were let in not long ago."""
        return place in self.public and self.now - self.public[place] < RECHECK

    def _age(self, known: Meaning) -> float:
        return self.now - known.validated_at

    def _survives(self, tag: str, known: Meaning) -> bool:
        promise = self.promises[tag]
        return not known.gone and self._age(known) < promise.fresh + promise.stale

    # The registry's side.

    def _ask(self, method: Method, place: Place, reference: str, number: int) -> tuple[int, int]:
        """What comes of one question; a limit keeps it here, `NO_ANSWER` is what cannot be used."""
        host, pull = place[0], method == "GET" and is_manifest(number)
        fault = self.registry.fault
        if self.now < self.limits.get(host, 0) or (pull and self.now < self.pull_limits.get(host, 0)):
            return 429, -1
        self.calls.append(f"{method} {reference}")
        if fault == "drop":
            self.dropped[host] = self.dropped.get(host, 0) + 1
            return NO_ANSWER, -1
        self.dropped[host] = 0
        if fault == "429":
            self.limits[host] = self.now + RETRY_AFTER
            return 429, -1
        if fault == "pulls" and pull:
            self.pull_limits[host] = self.now + RETRY_AFTER
            self.counted.add(host)
            return 429, -1
        if fault == "500":
            return 500, -1
        self.limits.pop(host, None)
        status, found = self.registry.find(place, reference)
        if status == 403:
            self.public.pop(place, None)
        if status == 200 and pull and fault in ("cut", "broken", "wrong"):
            return NO_ANSWER, -1
        return status, found

    def _keep(self, place: Place, number: int) -> None:
        self.held.add(number)
        self.links.add((place, number))
        self.public[place] = self.now

    # By digest.

    def by_digest(self, method: Method, place: Place, number: int) -> Due:
        """A manifest or blob that never changes."""
        digest = DIGESTS[number]
        if place in self.public and self.usable(place, number):
            if not self._open(place) and self._head(place, digest, number) == 403:
                return _due(403, -1)
            return Due(200, Outcome.HIT, number)
        here = number in self.held and any((other, number) in self.links for other in PLACES if other[0] == place[0])
        if method == "HEAD" or here:
            status = self._head(place, digest, number)
            if status == 404:
                self.links.discard((place, number))
            if status == 200 and here:
                self._keep(place, number)
            if status != 200 or here or method == "HEAD":
                return _due(status, number)
        status, _ = self._ask("GET", place, digest, number)
        if status == 200 and not is_manifest(number):
            if self.registry.fault in ("cut", "broken"):
                self.calls.append(f"GET {digest}")
            if self.registry.fault in ("broken", "wrong"):
                return Due(200, Outcome.MISS, number, broken=True)
        if status == 200:
            self._keep(place, number)
        return _due(status, number)

    def _head(self, place: Place, digest: str, number: int) -> int:
        """Ask whether the repository has it; the answer says whether strangers read there."""
        status, _ = self._ask("HEAD", place, digest, number)
        if status == 200:
            self.public[place] = self.now
        return status

    # By tag.

    def by_tag(self, method: Method, place: Place, tag: str) -> Due:
        """A manifest by its tag."""
        known = self.meanings.get((place, tag)) if place in self.public else None
        if known is None:
            return self._first(method, place, tag)
        promise = self.promises[tag]
        if not known.gone and self._age(known) < promise.fresh:
            return self._serve(method, place, tag, known, Outcome.HIT)
        if not known.gone and self._age(known) < promise.fresh + promise.while_revalidate:
            due = self._serve(method, place, tag, known, Outcome.SWR)
            self._learn(place, tag, known, fetch=True)
            return due
        if self.registry.fault == "slow" and self.patient(place, tag):
            self._learn(place, tag, known, fetch=False)
            return Due(200, Outcome.STALE, known.number)
        status, found = self._learn(place, tag, known, fetch=False)
        if found is not None:
            same = found.number == known.number
            outcome = Outcome.REVALIDATED if same else Outcome.EXPIRED
            return self._serve(method, place, tag, found, outcome, None if same else known)
        if status not in (403, 404) and self._survives(tag, known):
            return self._serve(method, place, tag, known, Outcome.STALE)
        return _due(status, -1)

    def _learn(self, place: Place, tag: str, known: Meaning | None, *, fetch: bool) -> tuple[int, Meaning | None]:
        """Ask by HEAD what a tag means; a new meaning counts once its bytes are here."""
        status, number = self._ask("HEAD", place, tag, 0)
        key = place, tag
        if status == 404 and known is not None:
            self.meanings[key] = replace(known, gone=True)
        if status != 200:
            return status, None
        found = Meaning(number, self.now)
        self.public[place] = self.now
        here = self.usable(place, number)
        if known is None or number == known.number or here:
            self.meanings[key] = found
        elif fetch and self._ask("GET", place, DIGESTS[number], number)[0] == 200:
            self._keep(place, number)
            self.meanings[key] = found
        return status, found

    def _first(self, method: Method, place: Place, tag: str) -> Due:
        """Nothing is known: a HEAD stays one, and a GET that is limited asks by HEAD what is here perhaps."""
        if method == "HEAD":
            status, found = self._learn(place, tag, None, fetch=False)
            return _due(status, found.number if found is not None else -1)
        status, number = self._ask("GET", place, tag, 0)
        if status == 200:
            self._keep(place, number)
            self.meanings[place, tag] = Meaning(number, self.now)
        if status == 429:
            freely, found = self._learn(place, tag, None, fetch=False)
            if found is not None:
                return self._serve(method, place, tag, found, Outcome.MISS)
            status = freely if freely != NO_ANSWER else status
        return _due(status, number)

    def _serve(
        self, method: Method, place: Place, tag: str, found: Meaning, outcome: Outcome, old: Meaning | None = None
    ) -> Due:
        here = self.usable(place, found.number)
        counts = place[0] in self.counted or place[0] in self.limits
        if here or (method == "HEAD" and (old is None or not counts)):
            return Due(200, outcome, found.number)
        status, _ = self._ask("GET", place, DIGESTS[found.number], found.number)
        if status == 200:
            self._keep(place, found.number)
            if old is not None:
                self.meanings[place, tag] = found
            return Due(200, Outcome.MISS if old is None else Outcome.EXPIRED, found.number)
        if old is not None and status not in (403, 404) and self._survives(tag, old):
            return self._serve(method, place, tag, old, Outcome.STALE)
        return _due(status, -1)


def _due(status: int, number: int) -> Due:
    if status == NO_ANSWER:
        return Due(502, Outcome.ERROR)
    return Due(status, Outcome.MISS, number if status == 200 else -1)
