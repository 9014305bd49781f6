"""One request on its way through the cache, and the engines it may use."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from regproxy.cache.grants import Grants, Place, Reader
from regproxy.cache.overrides import Overrides
from regproxy.cache.overtaking import Overtaking
from regproxy.cache.passing import PassedBy
from regproxy.cache.staleness import Asked, stale
from regproxy.freshness.lifetime import Absent, Validated, fresh_until, staleness
from regproxy.model.account import ANONYMOUS, Account, Own
from regproxy.model.address import Authority
from regproxy.model.answer import Ask, Audience, Forget
from regproxy.model.caller import STRANGER, Caller, Identified
from regproxy.model.decision import Terms
from regproxy.model.entry import BindingKey, Content, Link, LinkKey
from regproxy.model.event import Event, Labels, Outcome, StoreFailed
from regproxy.model.message import Fields, Head, joined
from regproxy.model.oci import MANIFEST_TYPES, Digest, Kind, Resource
from regproxy.model.refusal import refusal
from regproxy.model.registry import Registry
from regproxy.store.content import Store
from regproxy.upstream.failure import Rejected
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.session import Upstream

T = TypeVar("T")

MAX_NEGATIVES = 10_000
# An absence with a larger body is asked about each time: so many of them would be more than there is memory.
MAX_NEGATIVE_BODY = 16 * 1024
# How long content that can be neither read nor removed is taken for not there.
UNREADABLE_SECONDS = 600.0

# Answers that say that who asked may read there, or may not.
_READ = frozenset({200, 206, 304})
_WRONG = 401
_REFUSED = frozenset({_WRONG, 403})
# The label of an account, and whether pulls are kept for who asks.
Party = tuple[str, bool]
_REPEATABLE = frozenset([Outcome.HIT, Outcome.REVALIDATED])
ACCEPT_MANIFESTS: Fields = (("Accept", ", ".join(MANIFEST_TYPES)),)
ACCEPT_ANY: Fields = (("Accept", "*/*"),)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What one request asks for and what the policy granted it; taken once, never looked up again.

    `at` is when it came, in seconds since the epoch; `account` goes upstream with what is asked there. `as_of`: the
    caller was admitted, to what was stored by then (inf: to all that is); `lapsed`: so long ago that the registry is to
    be asked before any of it is served.
    """

    ask: Ask
    registry: Registry
    resource: Resource
    tier: str
    terms: Terms
    at: float
    audience: Audience = Audience.CALLER
    caller: Caller = STRANGER
    account: Account = ANONYMOUS
    as_of: float | None = None
    lapsed: bool = False

    @property
    def party(self) -> Party:
        """Who may share what is asked upstream: those for whom pulls are kept must not hear what others are refused."""
        return self.account.label, self.has_reserve

    @property
    def place(self) -> Place:
        """Where grants are given: a repository of an authority."""
        return self.ask.authority, self.resource.repository

    @property
    def reader(self) -> Reader:
        """Who wants to read where, and on which terms."""
        terms = self.terms
        alone = self.registry.client_auth == "required"
        return Reader(self.place, self.account, terms.readers == "anyone", alone, terms.recheck, terms.stale_auth)

    @property
    def has_reserve(self) -> bool:
        """Whether the pulls that the registry's block keeps are for this client, or it keeps none."""
        reserve = self.registry.reserve
        return reserve is None or reserve.group.holds(self.ask.client, self.ask.user)

    @property
    def only_if_cached(self) -> bool:
        """Whether the client asked not to bother the upstream (RFC 9111 §5.2.1.7)."""
        return "only-if-cached" in (joined(self.ask.fields, "cache-control") or "").lower()

    def labels(self, outcome: Outcome) -> Labels:
        """The core's half of this request's log line."""
        resource = self.resource
        return Labels(
            outcome, self.registry.name, str(resource.kind), resource.repository, resource.reference, self.tier
        )

    def served(self, outcome: Outcome, known: Validated, now: float, asked: Asked = None) -> Labels:
        """The labels of an answer from what is stored; `asked`: how asking the upstream ended, where it is stale."""
        return replace(self.labels(outcome), stale=stale(outcome, staleness(known, self.terms, now), asked))

    def until(self, outcome: Outcome, known: Validated, now: float) -> float:
        """How long an edge may repeat what is stored: while it is fresh, and never what stands in for an answer."""
        if outcome not in _REPEATABLE:
            return 0.0
        proved = self.caller.until if isinstance(self.caller, Identified) else math.inf
        return min(fresh_until(known, self.terms, now), proved)

    def upstream(self, method: str, target: str, fields: Fields) -> UpstreamRequest:
        """The request that we send, re-serialised; nothing of the client's bytes."""
        kind = self.resource.kind
        purpose = str(kind) if kind in (Kind.MANIFEST, Kind.BLOB) else "list"
        ask = self.ask
        return UpstreamRequest(
            ask.authority,
            ask.scheme,
            self.registry,
            method,
            target,
            fields,
            purpose,
            has_reserve=self.has_reserve,
            repository=self.resource.repository,
            span=ask.span,
        )


@dataclass(frozen=True, slots=True)
class Negative:
    """A remembered 404 or 410, in memory only, and for the account that it was answered to."""

    absent: Absent
    head: Head
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """An upstream's answer, the label of the account that got it, and whom it lets read or not, for `Changes`.

    `at` is when it was asked: what it says is no younger, and a push may have overtaken it.
    """

    head: Head
    body: bytes
    label: str
    at: float
    granted: tuple[tuple[Authority, str, str, float], ...] = ()
    withdrawn: tuple[tuple[Authority, str, str], ...] = ()


# What was asked for, and the label of the account that asked.
NegativeKey = tuple[BindingKey | LinkKey, str]


@dataclass(slots=True)
class Engines:
    """What the cache works with; owns the grants, the negatives, what cannot be read, and the background tasks."""

    store: Store
    upstream: Upstream
    clock: Callable[[], float]
    report: Callable[[Event], None]
    negatives: dict[NegativeKey, Negative] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    watchers: list[Callable[[Forget], None]] = field(default_factory=list)
    unreadable: PassedBy[Digest, bool] = field(init=False)
    grants: Grants = field(init=False)
    overtaking: Overtaking = field(init=False)
    overrides: Overrides = field(init=False)

    def __post_init__(self) -> None:
        self.grants = Grants(self.store, self.clock, self.forget)
        self.unreadable = PassedBy(self.clock)
        self.overtaking = Overtaking(self.clock)
        self.overrides = Overrides(self.store.inventory)

    async def content(self, digest: Digest) -> Content | None:
        """The content, if it is here and nobody failed to read it."""
        return await self.store.content(digest) if self.unreadable.get(digest) is None else None

    async def held(self, key: LinkKey) -> tuple[Link, Content] | None:
        """What the registry said of it and the content, if both are here and nobody failed to read it."""
        return await self.store.held(key) if self.unreadable.get(key.digest) is None else None

    def noted(self, event: Event) -> None:
        """Take note of what happened at an edge: content that it could not read is removed."""
        self.report(event)
        if isinstance(event, StoreFailed) and event.digest is not None:
            self.unreadable.put(event.digest, True, UNREADABLE_SECONDS)
            self.forget(Forget())
            self.spawn(self._discard(event.digest))

    async def _discard(self, digest: Digest) -> None:
        try:
            await self.store.discard(digest)
        except OSError as error:
            self.report(StoreFailed("discard", str(error)))
        else:
            self.unreadable.drop(digest)

    def forget(self, forget: Forget) -> None:
        """Tell those who remember answers that they no longer hold; after the store knows better."""
        for watcher in self.watchers:
            watcher(forget)

    async def as_of(self, lookup: Lookup) -> float | None:
        """How old what is stored must be for the caller, after what registries have said by now; None: not admitted."""
        return lookup.as_of if lookup.as_of == math.inf else await self.grants.as_of(lookup.reader)

    async def admits(self, lookup: Lookup) -> bool:
        """Whether the caller may be served what is stored, and is not to be asked about first."""
        if lookup.lapsed:
            return False
        return lookup.as_of is not None or await self.grants.as_of(lookup.reader) is not None

    def until(self, lookup: Lookup, outcome: Outcome, known: Validated, now: float) -> float:
        """How long an edge may repeat an answer to the caller: the least of freshness, grant and token."""
        return min(lookup.until(outcome, known, now), self.grants.until(lookup.reader, lookup.as_of))

    async def ask(self, lookup: Lookup, request: UpstreamRequest, limit: int) -> Said:
        """Ask upstream as the lookup's account, and take note of whom it lets read.

        A caller's own login that is rejected is an answer, 401. Raises UpstreamFailed, and ValueError for a body of
        more than `limit` bytes.
        """
        repository, at = lookup.resource.repository, self.clock()
        try:
            head, body, proved = await self.upstream.fetch(request, repository, limit, lookup.account)
        except Rejected as rejected:
            answer = self.rejection(lookup, rejected)
            if answer is None:
                raise
            return Said(*answer, lookup.account.label, at)
        return self.said(lookup, head, body, proved, at)

    def rejection(self, lookup: Lookup, error: Exception) -> tuple[Head, bytes] | None:
        """What a caller hears whose own login was rejected; None for any other failure. Its grants are gone."""
        if not isinstance(error, Rejected) or not isinstance(lookup.account, Own):
            return None
        if error.status == _WRONG:
            self.grants.rejected(lookup.ask.authority, lookup.account)
        self.grants.refused(lookup.place, lookup.account)
        return refusal(401, "UNAUTHORIZED", f"regproxy: {error.detail}")

    def said(self, lookup: Lookup, head: Head, body: bytes, proved: Account, at: float) -> Said:
        """What an answer to this account says of who may read there."""
        granted: tuple[tuple[Authority, str, str, float], ...] = ()
        withdrawn: tuple[tuple[Authority, str, str], ...] = ()
        if head.status in _READ:
            name = lookup.caller.name if isinstance(lookup.caller, Identified) else ""
            granted = self.grants.learned(lookup.place, proved, name)
        elif head.status in _REFUSED:
            withdrawn = self.grants.refused(lookup.place, proved)
        return Said(head, body, proved.label, at, granted, withdrawn)

    def remember(self, key: NegativeKey, negative: Negative, asked_at: float) -> None:
        """Keep a negative answer, unless it is large or a push overtook it; the oldest goes first."""
        if len(negative.body) > MAX_NEGATIVE_BODY:
            return
        if self.overtaking.overtook(key[0].authority, key[0].repository, asked_at):
            return
        self.negatives.pop(key, None)
        while len(self.negatives) >= MAX_NEGATIVES:
            self.negatives.pop(next(iter(self.negatives)))
        self.negatives[key] = negative

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work that outlives the request that started it; `close` waits for none of it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel what still runs."""
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
