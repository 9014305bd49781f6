"""Manifests and blobs by digest: content that never changes, served where the registry gave it under this name."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import assert_never

from regproxy.cache.admittance import Admittance
from regproxy.cache.blobs import Blobs
from regproxy.cache.fetches import Answered, Flights, Unstorable
from regproxy.cache.lookup import ACCEPT_ANY, ACCEPT_MANIFESTS, Engines, Lookup, Negative, Party
from regproxy.cache.manifests import Manifests, record
from regproxy.cache.passage import Passage, refusal
from regproxy.cache.replies import failed, kept_fields, link_head, refused, relayed, with_length
from regproxy.cache.staleness import Asked
from regproxy.freshness.lifetime import Absent, Known, Validated
from regproxy.freshness.outcome import outcome_of_asking, outcome_of_serving
from regproxy.freshness.plan import Fetch, Pass, Refuse, Revalidate, Serve, plan
from regproxy.freshness.verdict import ABSENCES, Failed, Relay, Same, Upstreamed, judge
from regproxy.freshness.verdict import Answered as Status
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Reply, Stored
from regproxy.model.decision import Cached
from regproxy.model.entry import Link, LinkKey
from regproxy.model.event import Outcome
from regproxy.model.message import Head, content_length, field, media_type
from regproxy.model.oci import Digest, Kind
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed


class Contents:
    """Answers requests by digest."""

    def __init__(self, engines: Engines, passage: Passage, manifests: Manifests) -> None:
        self._engines = engines
        self._passage = passage
        self._admittance = Admittance(engines)
        self._manifests = manifests
        self.blobs = Blobs(engines)
        self._checks: Flights[tuple[LinkKey, Party], Head] = Flights(engines)

    async def answer(self, lookup: Lookup, digest: Digest) -> Answer:
        """Serve, revalidate or fetch the content that the request names by digest."""
        key = LinkKey(lookup.ask.authority, lookup.resource.repository, lookup.resource.kind, digest)

        def prove(lookup: Lookup) -> Awaitable[Answered]:
            return self._prove(lookup, key)

        admitted = await self._admittance.admit(lookup, prove)
        if not isinstance(admitted, Lookup):
            return admitted
        link = await self._usable(key, admitted.as_of)
        if link is None and (again := await self._admittance.readmit(admitted, prove)) is not admitted:
            admitted, link = again, await self._usable(key, again.as_of)
        return await self._answer(admitted, key, link)

    async def _prove(self, lookup: Lookup, key: LinkKey) -> Answered:
        task, _ = self._join(lookup, key)
        return Answered(await asyncio.shield(task), b"")

    async def _answer(self, lookup: Lookup, key: LinkKey, link: Link | None) -> Answer:
        negative = self._engines.negatives.get((key, lookup.account.label))
        known: Known | None = Validated(link.checked_at) if link else negative.absent if negative else None
        decision = Cached(lookup.tier, lookup.terms)
        step = plan(decision, known, self._engines.clock(), only_if_cached=lookup.only_if_cached)
        match step:
            case Serve() if link is not None:
                asking = partial(self._prove, key=key)
                if (closed := await self._admittance.recheck(lookup, asking)) is not None:
                    return closed
                if step.refresh:
                    self._join(lookup, key)
                return self._stored(lookup, key, link, outcome_of_serving(step))
            case Serve() if negative is not None:
                return relayed(negative.head, negative.body, lookup.labels(outcome_of_serving(step)))
            case Revalidate(within=within) if link is not None:
                return await self._revalidate(lookup, key, link, within)
            case Fetch() | Revalidate() | Serve():
                return await self._fetch(lookup, key)
            case Refuse(status=status, text=text):
                return refused(status, "UNAVAILABLE", f"regproxy: {text}", lookup.labels(Outcome.LOCAL))
            case Pass():
                return await self._passage.streamed(lookup)
            case _:
                assert_never(step)

    def deleted(self, authority: Authority, repository: str, digest: Digest) -> None:
        """The registry was told to delete it: nobody joins those who fetch it still, or ask whether it is there."""
        self._checks.leave(lambda flight: (flight[0].authority, flight[0].digest) == (authority, digest))
        self._manifests.deleted(LinkKey(authority, repository, Kind.MANIFEST, digest))
        self.blobs.deleted(LinkKey(authority, repository, Kind.BLOB, digest))

    async def _usable(self, key: LinkKey, as_of: float | None) -> Link | None:
        """The link, if the content is here and who is admitted so may have it: knowing a digest is no right to it."""
        held = await self._engines.held(key) if as_of is not None else None
        return held[0] if held is not None and as_of is not None and held[0].checked_at <= as_of else None

    def _stored(self, lookup: Lookup, key: LinkKey, link: Link, outcome: Outcome, asked: Asked = None) -> Stored:
        self._engines.store.touch(key.digest, lookup.terms.keep)
        now, known = self._engines.clock(), Validated(link.checked_at)
        until = self._engines.until(lookup, outcome, known, now)
        head = link_head(key.digest, link, now)
        labels = lookup.served(outcome, known, now, asked)
        return Stored(head, key.digest, link.size, labels, until, lookup.audience)

    def _join(self, lookup: Lookup, key: LinkKey) -> tuple[asyncio.Task[Head], bool]:
        return self._checks.join((key, lookup.party), lambda: self._check(lookup, key))

    async def _check(self, lookup: Lookup, key: LinkKey) -> Head:
        """One HEAD upstream; freshens the link, or makes one where the same authority gave the bytes before."""
        fields = ACCEPT_MANIFESTS if key.kind is Kind.MANIFEST else ACCEPT_ANY
        request = lookup.upstream("HEAD", lookup.resource.path, fields)
        said = await self._engines.ask(lookup, request, 0)
        head = said.head
        store = self._engines.store
        content = await self._engines.content(key.digest)
        if head.status == 200 and content is not None and await store.linked_in(key.authority, key.digest):
            old = await store.link(key)
            kind = media_type(field(head.fields, "content-type"))
            link = Link(kind, content.size, kept_fields(head.fields), said.at, old.proof if old else "head")
            await record(self._engines, Changes(links=((key, link),), granted=said.granted))
        elif said.granted or said.withdrawn:
            await record(self._engines, Changes(granted=said.granted, withdrawn=said.withdrawn))
        elif head.status in ABSENCES and await self._engines.admits(lookup):
            await record(self._engines, Changes(dropped_links=(key,)))
        return head

    async def _revalidate(self, lookup: Lookup, key: LinkKey, link: Link, within: float | None) -> Answer:
        task, _ = self._join(lookup, key)
        done, _ = await asyncio.wait({task}, timeout=within)
        if not done:
            return self._stored(lookup, key, link, Outcome.STALE)
        try:
            head = task.result()
        except UpstreamFailed as error:
            outcome = self._outcome(lookup, link, Failed(error.failure))
            if outcome is Outcome.STALE:
                return self._stored(lookup, key, link, outcome, error)
            return failed(error, lookup.labels(outcome))
        outcome = self._outcome(lookup, link, Same() if head.status == 200 else Status(head.status))
        if outcome is Outcome.MISS:
            return self._absent(lookup, key, head, b"")
        return self._stored(lookup, key, await self._engines.store.link(key) or link, outcome, head.status)

    def _outcome(self, lookup: Lookup, link: Link, upstream: Upstreamed) -> Outcome:
        return outcome_of_asking(lookup.terms, Validated(link.checked_at), upstream, self._engines.clock())

    async def _fetch(self, lookup: Lookup, key: LinkKey) -> Answer:
        store = self._engines.store
        here = await self._engines.content(key.digest) is not None and await store.linked_in(key.authority, key.digest)
        as_of = await self._engines.as_of(lookup) if here and not lookup.lapsed else None
        if (link := await self._usable(key, as_of)) is not None:
            # A fill that ended between the first look and this one.
            return self._stored(replace(lookup, as_of=as_of), key, link, Outcome.HIT)
        try:
            if lookup.ask.method == "HEAD" or here:
                answer = await self._by_head(lookup, key)
                if answer is not None:
                    return answer
            if key.kind is Kind.MANIFEST:
                return await self._manifest(lookup, key)
            found = await self.blobs.fetch(lookup, key)
        except UpstreamFailed as error:
            return failed(error, lookup.labels(Outcome.ERROR))
        match found:
            case Answered(head=head, body=body):
                return self._absent(lookup, key, head, body)
            case Unstorable(prefix=prefix):
                return await self._passage.streamed(lookup, prefix)
            case _:
                return found

    async def _by_head(self, lookup: Lookup, key: LinkKey) -> Answer | None:
        """Answer from one HEAD upstream; None when a GET needs the bytes all the same."""
        task, _ = self._join(lookup, key)
        head = await asyncio.shield(task)
        if head.status != 200:
            return self._absent(lookup, key, head, b"")
        link = await self._usable(key, await self._engines.as_of(lookup))
        if link is not None:
            return self._stored(lookup, key, link, Outcome.MISS)
        return _head_only(lookup, key.digest, head) if lookup.ask.method == "HEAD" else None

    async def _manifest(self, lookup: Lookup, key: LinkKey) -> Answer:
        """Fetch a manifest by digest and serve it; raises UpstreamFailed."""
        try:
            fetched, joined = await self._manifests.fetch(lookup, key)
        except ValueError:
            return await self._passage.streamed(lookup)
        if isinstance(fetched, Answered):
            return self._absent(lookup, key, fetched.head, fetched.body)
        outcome = Outcome.COLLAPSED if joined else Outcome.MISS
        head = link_head(key.digest, fetched.link, self._engines.clock())
        return Reply(with_length(head, len(fetched.body)), fetched.body, lookup.labels(outcome))

    def _absent(self, lookup: Lookup, key: LinkKey, head: Head, body: bytes) -> Reply:
        now = self._engines.clock()
        verdict = judge(lookup.terms, None, Status(head.status), now)
        if isinstance(verdict, Relay) and verdict.remember:
            self._engines.remember(
                (key, lookup.account.label), Negative(Absent(head.status, now), head, body), lookup.at
            )
        return refusal(lookup, head, body)


def _head_only(lookup: Lookup, digest: Digest, head: Head) -> Reply:
    """The answer to a HEAD whose bytes are not here: the registry's, re-serialised."""
    link = Link(media_type(field(head.fields, "content-type")), 0, kept_fields(head.fields), 0.0, "head")
    answer = link_head(digest, link, 0.0)
    try:
        size = content_length(head.fields)
    except ValueError:
        size = None
    return Reply(answer if size is None else with_length(answer, size), b"", lookup.labels(Outcome.MISS))
