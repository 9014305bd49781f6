"""Tag lists, referrers and catalogs: answers that are not content-addressed, kept under their target."""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from regproxy.cache.admittance import Admittance
from regproxy.cache.fetches import Answered, Flights
from regproxy.cache.lookup import ACCEPT_ANY, Engines, Lookup, Party
from regproxy.cache.manifests import digest_of, keep_bytes, record, record_refusal
from regproxy.cache.passage import Passage, refusal
from regproxy.cache.replies import API_VERSION, failed, kept_fields, refused, with_length
from regproxy.cache.staleness import Asked
from regproxy.freshness.lifetime import Validated
from regproxy.freshness.outcome import outcome_of_asking, outcome_of_serving
from regproxy.freshness.plan import Fetch, Pass, Refuse, Revalidate, Serve, plan
from regproxy.freshness.verdict import Answered as Status
from regproxy.freshness.verdict import Failed, New, Same, Upstreamed
from regproxy.model.account import ANONYMOUS
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Forget, Reply, Stored
from regproxy.model.decision import Cached
from regproxy.model.entry import Generic, GenericKey
from regproxy.model.event import Outcome
from regproxy.model.message import Fields, Head, field
from regproxy.model.oci import MAX_MANIFEST, Kind
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as the registry gave it; `same`: it was revalidated, nothing new."""

    row: Generic
    body: bytes | None
    same: bool


class Lists:
    """Answers GETs of lists; owns the flights that fetch them."""

    def __init__(self, engines: Engines, passage: Passage) -> None:
        self._engines = engines
        self._passage = passage
        self._admittance = Admittance(engines)
        self._flights: Flights[tuple[GenericKey, Party], Listed | Answered] = Flights(engines)

    async def answer(self, lookup: Lookup) -> Answer:
        """Serve, revalidate or fetch the list that the request names."""
        if lookup.ask.method != "GET" or (lookup.resource.kind is Kind.CATALOG and lookup.account != ANONYMOUS):
            # What a catalog lists depends on who asks.
            return await self._passage.streamed(lookup)
        key = GenericKey(lookup.ask.authority, lookup.resource.target)
        admitted = await self._admittance.admit(lookup, lambda lookup: self._prove(lookup, key))
        return await self._answer(admitted, key) if isinstance(admitted, Lookup) else admitted

    async def _prove(self, lookup: Lookup, key: GenericKey) -> Answered:
        task, _ = self._join(lookup, key, None)
        found = await asyncio.shield(task)
        return found if isinstance(found, Answered) else Answered(Head(200), b"")

    async def _answer(self, lookup: Lookup, key: GenericKey) -> Answer:
        row = await self._row(lookup, key)
        decision = Cached(lookup.tier, lookup.terms)
        known = Validated(row.validated_at) if row is not None else None
        step = plan(decision, known, self._engines.clock(), only_if_cached=lookup.only_if_cached)
        match step:
            case Serve() if row is not None:
                asking = partial(self._prove, key=key)
                if (closed := await self._admittance.recheck(lookup, asking)) is not None:
                    return closed
                if step.refresh:
                    self._join(lookup, key, row)
                return self._stored(lookup, row, outcome_of_serving(step))
            case Fetch() | Revalidate() | Serve():
                return await self._ask(lookup, key, row, step.within if isinstance(step, Revalidate) else None)
            case Refuse(status=status, text=text):
                return refused(status, "UNAVAILABLE", f"regproxy: {text}", lookup.labels(Outcome.LOCAL))
            case Pass():
                return await self._passage.streamed(lookup)
            case _:
                assert_never(step)

    def overtaken(self, authority: Authority) -> None:
        """A push changed a repository of this registry: nobody joins what was asked before."""
        self._flights.leave(lambda flight: flight[0].authority == authority)

    async def _row(self, lookup: Lookup, key: GenericKey) -> Generic | None:
        as_of = lookup.as_of
        row = await self._engines.store.generic(key) if as_of is not None else None
        if row is None or as_of is None or row.stored_at > as_of:
            return None
        if await self._engines.content(row.digest) is None:
            return None
        return replace(row, validated_at=min(row.validated_at, as_of))

    def _stored(self, lookup: Lookup, row: Generic, outcome: Outcome, asked: Asked = None) -> Stored:
        self._engines.store.touch(row.digest, lookup.terms.keep)
        now, known = self._engines.clock(), Validated(row.validated_at)
        until = self._engines.until(lookup, outcome, known, now)
        head = Head(200, (*row.fields, ("Age", str(max(0, int(now - row.validated_at)))), *API_VERSION))
        labels = lookup.served(outcome, known, now, asked)
        return Stored(head, row.digest, row.size, labels, until, lookup.audience)

    async def _ask(self, lookup: Lookup, key: GenericKey, row: Generic | None, within: float | None) -> Answer:
        task, joined = self._join(lookup, key, row)
        done, _ = await asyncio.wait({task}, timeout=within if row is not None else None)
        if not done and row is not None:
            return self._stored(lookup, row, Outcome.STALE)
        try:
            listed = task.result()
        except UpstreamFailed as error:
            outcome = self._outcome(lookup, row, Failed(error.failure))
            if row is not None and outcome is Outcome.STALE:
                return self._stored(lookup, row, outcome, error)
            return failed(error, lookup.labels(outcome))
        except ValueError:
            return await self._passage.streamed(lookup)
        outcome = self._outcome(lookup, row, _upstreamed(listed))
        if isinstance(listed, Answered):
            if row is not None and outcome is Outcome.STALE:
                return self._stored(lookup, row, outcome, listed.head.status)
            return refusal(lookup, listed.head, listed.body)
        if listed.body is None:
            return self._stored(lookup, listed.row, outcome)
        head = with_length(Head(200, (*listed.row.fields, *API_VERSION)), len(listed.body))
        return Reply(head, listed.body, lookup.labels(Outcome.COLLAPSED if joined and not listed.same else outcome))

    def _outcome(self, lookup: Lookup, row: Generic | None, upstream: Upstreamed) -> Outcome:
        known = Validated(row.validated_at) if row is not None else None
        return outcome_of_asking(lookup.terms, known, upstream, self._engines.clock())

    def _join(
        self, lookup: Lookup, key: GenericKey, row: Generic | None
    ) -> tuple[asyncio.Task[Listed | Answered], bool]:
        return self._flights.join((key, lookup.party), lambda: self._fetch(lookup, key, row))

    async def _fetch(self, lookup: Lookup, key: GenericKey, row: Generic | None) -> Listed | Answered:
        etag = field(row.fields, "etag") if row is not None else None
        fields: Fields = (*ACCEPT_ANY, ("If-None-Match", etag)) if etag else ACCEPT_ANY
        said = await self._engines.ask(lookup, lookup.upstream("GET", key.target, fields), MAX_MANIFEST)
        head, body, now = said.head, said.body, said.at
        if head.status == 304 and row is not None:
            fresh = replace(row, validated_at=now)
            await record(self._engines, Changes(generics=((key, fresh),), granted=said.granted))
            return Listed(fresh, None, same=True)
        if head.status != 200:
            await record_refusal(self._engines, said)
            return Answered(head, body)
        digest = digest_of(body)
        kind = field(head.fields, "content-type") or "application/json"
        fields = (("Content-Type", kind), *kept_fields(head.fields))
        found = Generic(digest, len(body), fields, now, now)
        if await keep_bytes(self._engines, digest, body, lookup.resource.kind):
            self._engines.store.keep(digest, lookup.terms.keep)
            await record(self._engines, Changes(generics=((key, found),), granted=said.granted))
        if row is not None and row.digest != digest:
            self._engines.forget(Forget(*lookup.place))
        return Listed(found, body, same=row is not None and row.digest == digest)


def _upstreamed(listed: Listed | Answered) -> Upstreamed:
    if isinstance(listed, Answered):
        return Status(listed.head.status)
    return Same() if listed.same else New()
