"""Tags: what a name means now, revalidated by a HEAD that no registry counts, served by digest."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import assert_never

from regproxy.cache.admittance import Admittance
from regproxy.cache.fetches import Answered, Flights
from regproxy.cache.lookup import Engines, Lookup, Negative, Party
from regproxy.cache.manifests import Manifests, record
from regproxy.cache.passage import Passage, refusal
from regproxy.cache.replies import binding_head, failed, refused, relayed, with_length
from regproxy.cache.resolving import Resolved, Resolver, link_key
from regproxy.cache.staleness import Asked
from regproxy.freshness.lifetime import Absent, Known, Validated
from regproxy.freshness.outcome import outcome_of_asking, outcome_of_serving
from regproxy.freshness.plan import Fetch, Pass, Refuse, Revalidate, Serve, plan
from regproxy.freshness.verdict import ABSENCES, Failed, New, Relay, Same, Upstreamed, judge
from regproxy.freshness.verdict import Answered as Status
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Reply, Stored
from regproxy.model.decision import Cached
from regproxy.model.entry import Binding, BindingKey
from regproxy.model.event import Outcome
from regproxy.model.message import Head, accept_class, admits, joined
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed


class Tags:
    """Answers requests for manifests by tag; owns the flights that resolve tags."""

    def __init__(self, engines: Engines, passage: Passage, manifests: Manifests) -> None:
        self._engines = engines
        self._passage = passage
        self._admittance = Admittance(engines)
        self._manifests = manifests
        self._resolver = Resolver(engines, manifests)
        self._flights: Flights[tuple[BindingKey, Party], Resolved | Answered] = Flights(engines)

    async def answer(self, lookup: Lookup, tag: str) -> Answer:
        """Serve, revalidate or resolve the tag that the request names."""

        def prove(lookup: Lookup) -> Awaitable[Answered]:
            return self._prove(lookup, tag)

        admitted = await self._admittance.admit(lookup, prove)
        if not isinstance(admitted, Lookup):
            return admitted
        key, binding = await self._binding(admitted, tag)
        if binding is None and (again := await self._admittance.readmit(admitted, prove)) is not admitted:
            admitted, (key, binding) = again, await self._binding(again, tag)
        return await self._answer(admitted, key, binding)

    async def _prove(self, lookup: Lookup, tag: str) -> Answered:
        """Ask what the tag means by HEAD, whoever was told so before."""
        key, binding = await self._binding(replace(lookup, as_of=math.inf), tag)
        task, _ = self._join(lookup, key, binding, "head")
        found = await asyncio.shield(task)
        return found if isinstance(found, Answered) else Answered(Head(200), b"")

    async def _answer(self, lookup: Lookup, key: BindingKey, binding: Binding | None) -> Answer:
        negative = self._engines.negatives.get((key, lookup.account.label))
        known: Known | None = self._known(key, binding) if binding else negative.absent if negative else None
        decision = Cached(lookup.tier, lookup.terms)
        step = plan(decision, known, self._engines.clock(), only_if_cached=lookup.only_if_cached)
        match step:
            case Serve(negative=True):
                head, body = (negative.head, negative.body) if negative else (Head(404), b"")
                return relayed(head, body, lookup.labels(outcome_of_serving(step)))
            case Serve() if binding is not None:
                asking = partial(self._prove, tag=key.tag)
                if (closed := await self._admittance.recheck(lookup, asking)) is not None:
                    return closed
                if step.refresh:
                    self._flights.join((key, lookup.party), lambda: self._refresh(lookup, key, binding))
                return await self._serve(lookup, key, binding, outcome_of_serving(step))
            case Revalidate() if binding is not None:
                return await self._revalidate(lookup, key, binding, step)
            case Fetch() | Serve() | Revalidate():
                return await self._fetch(lookup, key)
            case Refuse(status=status, text=text):
                return refused(status, "UNAVAILABLE", f"regproxy: {text}", lookup.labels(Outcome.LOCAL))
            case Pass():
                return await self._passage.streamed(lookup)
            case _:
                assert_never(step)

    def overtaken(self, authority: Authority, repository: str) -> None:
        """A push changed this repository: what was asked before is answered to those who asked, and to nobody else."""
        self._flights.leave(lambda flight: (flight[0].authority, flight[0].repository) == (authority, repository))

    async def _binding(self, lookup: Lookup, tag: str) -> tuple[BindingKey, Binding | None]:
        """The native binding if the client admits it, else the one for what the client admits."""
        key = BindingKey(lookup.ask.authority, lookup.resource.repository, tag)
        store, as_of = self._engines.store, lookup.as_of
        if as_of is None:
            return key, None
        accept = joined(lookup.ask.fields, "accept")
        binding = await store.binding(key)
        if binding is not None and not admits(accept, binding.media_type):
            key = replace(key, accept=accept_class(accept))
            binding = await store.binding(key)
        if binding is None or binding.stored_at > as_of:
            return key, None
        return key, replace(binding, validated_at=min(binding.validated_at, as_of))

    # Serving what a binding names.

    async def _serve(
        self,
        lookup: Lookup,
        key: BindingKey,
        binding: Binding,
        outcome: Outcome,
        body: bytes | None = None,
        old: Binding | None = None,
        asked: Asked = None,
    ) -> Answer:
        """Answer with what the binding names; `old` is what the tag meant before, should that not be had."""
        now = self._engines.clock()
        head, until = binding_head(binding, now), self._engines.until(lookup, outcome, self._known(key, binding), now)
        labels = lookup.served(outcome, self._known(key, binding), now, asked)
        if self._engines.overrides.distrusts(key, binding.digest):
            return _distrusted(lookup, binding)
        if body is not None:
            self._engines.store.keep(binding.digest, lookup.terms.keep)
            return Reply(with_length(head, len(body)), b"" if lookup.ask.method == "HEAD" else body, labels)
        content = await self._resolver.held(key, binding.digest)
        if lookup.ask.method == "HEAD" and (content is not None or old is None or not self._counts_pulls(lookup)):
            return Reply(with_length(head, binding.size), b"", labels, until, lookup.audience)
        if content is not None:
            self._engines.store.touch(binding.digest, lookup.terms.keep)
            return Stored(head, binding.digest, content.size, labels, until, lookup.audience)
        return await self._by_digest(lookup, key, binding, old)

    def _counts_pulls(self, lookup: Lookup) -> bool:
        request = lookup.upstream("GET", lookup.resource.path, ())
        return self._engines.upstream.counts_pulls(request, lookup.account)

    async def _by_digest(self, lookup: Lookup, key: BindingKey, binding: Binding, old: Binding | None) -> Answer:
        """The tag is known and its bytes are not: get them by digest, for the tag may have moved meanwhile.

        Only then does the tag mean them: where they cannot be had, a limit for one, what it meant before stands in.
        Where pulls are counted that goes for a HEAD too: its client gets next what the answer names.
        """
        try:
            found, joined_other = await self._manifests.fetch(lookup, link_key(key, binding.digest))
            if isinstance(found, Answered) and found.head.status in ABSENCES:
                # The registry no longer has what the tag meant: ask what it means now.
                task, _ = self._join(lookup, key, binding, "full")
                return await self._resolved(lookup, key, await asyncio.shield(task), Outcome.EXPIRED)
        except UpstreamFailed as error:
            if old is not None and self._outcome(lookup, key, old, Failed(error.failure)) is Outcome.STALE:
                return await self._serve(lookup, key, old, Outcome.STALE, asked=error)
            return failed(error, lookup.labels(Outcome.ERROR))
        except ValueError:
            return await self._passage.streamed(lookup)
        if isinstance(found, Answered):
            if old is not None and self._outcome(lookup, key, old, Status(found.head.status)) is Outcome.STALE:
                return await self._serve(lookup, key, old, Outcome.STALE, asked=found.head.status)
            return refusal(lookup, found.head, found.body)
        if old is not None and not joined_other:
            await record(self._engines, Changes(bindings=((key, binding),)))
        head = with_length(binding_head(binding, self._engines.clock()), len(found.body))
        first = Outcome.EXPIRED if old is not None else Outcome.MISS
        body = b"" if lookup.ask.method == "HEAD" else found.body
        return Reply(head, body, lookup.labels(Outcome.COLLAPSED if joined_other else first))

    async def _resolved(
        self,
        lookup: Lookup,
        key: BindingKey,
        resolved: Resolved | Answered,
        outcome: Outcome,
        old: Binding | None = None,
    ) -> Answer:
        if isinstance(resolved, Answered):
            return self._answered(lookup, key, resolved)
        accept = joined(lookup.ask.fields, "accept")
        if not key.accept and not admits(accept, resolved.binding.media_type):
            own = replace(key, accept=accept_class(accept))
            return await self._fetch(lookup, own)
        return await self._serve(lookup, key, resolved.binding, outcome, resolved.body, None if resolved.same else old)

    def _answered(self, lookup: Lookup, key: BindingKey, answered: Answered) -> Reply:
        now = self._engines.clock()
        verdict = judge(lookup.terms, None, Status(answered.head.status), now)
        if isinstance(verdict, Relay) and verdict.remember:
            absent = Absent(answered.head.status, now)
            negative = Negative(absent, answered.head, answered.body)
            self._engines.remember((key, lookup.account.label), negative, lookup.at)
        return refusal(lookup, answered.head, answered.body)

    # Asking upstream.

    async def refresh(
        self, lookup: Lookup, key: BindingKey, binding: Binding | None, *, fetch: bool
    ) -> Resolved | Answered:
        """Ask now what the tag means; with `fetch`, get what it means if that is not here.

        Raises UpstreamFailed when there is no usable answer, ValueError when the manifest is too large to keep.
        """
        task, _ = (
            self._flights.join((key, lookup.party), lambda: self._refresh(lookup, key, binding))
            if fetch
            else self._join(lookup, key, binding, "head")
        )
        return await asyncio.shield(task)

    def _join(
        self, lookup: Lookup, key: BindingKey, binding: Binding | None, method: str
    ) -> tuple[asyncio.Task[Resolved | Answered], bool]:
        resolve = self._resolver.resolve
        return self._flights.join((key, lookup.party), lambda: resolve(lookup, key, binding, method))

    async def _fetch(self, lookup: Lookup, key: BindingKey) -> Answer:
        # What came later than the caller's admittance is asked about by a HEAD, which costs no pull.
        kept = await self._engines.store.binding(key) if lookup.as_of is not None else None
        method = "full" if kept is None and lookup.ask.method != "HEAD" else "head"
        task, joined_other = self._join(lookup, key, kept, method)
        try:
            resolved = await asyncio.shield(task)
            return await self._resolved(lookup, key, resolved, Outcome.COLLAPSED if joined_other else Outcome.MISS)
        except UpstreamFailed as error:
            return failed(error, lookup.labels(Outcome.ERROR))
        except ValueError:
            return await self._passage.streamed(lookup)

    async def _revalidate(self, lookup: Lookup, key: BindingKey, binding: Binding, step: Revalidate) -> Answer:
        task, _ = self._join(lookup, key, binding, step.method)
        done, _ = await asyncio.wait({task}, timeout=step.within)
        if not done:
            return await self._serve(lookup, key, binding, Outcome.STALE)
        try:
            resolved = task.result()
        except UpstreamFailed as error:
            outcome = self._outcome(lookup, key, binding, Failed(error.failure))
            if outcome is Outcome.STALE:
                return await self._serve(lookup, key, binding, outcome, asked=error)
            return failed(error, lookup.labels(outcome))
        except ValueError:
            return await self._passage.streamed(lookup)
        outcome = self._outcome(lookup, key, binding, _upstreamed(resolved))
        if outcome is Outcome.STALE and isinstance(resolved, Answered):
            return await self._serve(lookup, key, binding, outcome, asked=resolved.head.status)
        return await self._resolved(lookup, key, resolved, outcome, binding)

    def _outcome(self, lookup: Lookup, key: BindingKey, binding: Binding, upstream: Upstreamed) -> Outcome:
        return outcome_of_asking(lookup.terms, self._known(key, binding), upstream, self._engines.clock())

    def _known(self, key: BindingKey, binding: Binding) -> Validated:
        return self._engines.overrides.known(key, binding)

    async def _refresh(self, lookup: Lookup, key: BindingKey, binding: Binding | None) -> Resolved | Answered:
        """Revalidate behind the client's back; a manifest that is not here is got at once, for the next client."""
        resolved = await self._resolver.resolve(lookup, key, binding, "head" if binding is not None else "full")
        if not isinstance(resolved, Resolved) or resolved.same or resolved.body is not None:
            return resolved
        if await self._resolver.held(key, resolved.binding.digest) is None:
            with contextlib.suppress(UpstreamFailed, ValueError):
                found, _ = await self._manifests.fetch(lookup, link_key(key, resolved.binding.digest))
                if not isinstance(found, Answered):
                    await record(self._engines, Changes(bindings=((key, resolved.binding),)))
        return resolved


def _distrusted(lookup: Lookup, binding: Binding) -> Reply:
    sentence = (
        f"regproxy: the operator distrusts {binding.digest} as {lookup.resource.repository}:{lookup.resource.tag}"
    )
    return refused(403, "DENIED", sentence, lookup.labels(Outcome.DENIED))


def _upstreamed(resolved: Resolved | Answered) -> Upstreamed:
    if isinstance(resolved, Answered):
        return Status(resolved.head.status)
    return Same() if resolved.same else New()
