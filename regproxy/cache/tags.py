"""Tags: what a name means now, revalidated by a HEAD that no registry counts, served by digest."""

import asyncio
from dataclasses import dataclass, replace
from typing import assert_never

from regproxy.cache.fetches import Answered, Flights
from regproxy.cache.lookup import ACCEPT_MANIFESTS, Engines, Lookup, Negative
from regproxy.cache.manifests import Manifests, digest_of, record
from regproxy.cache.passage import Passage, refusal
from regproxy.cache.replies import binding_head, failed, kept_fields, refused, relayed, with_length
from regproxy.freshness.lifetime import Absent, Known, Validated
from regproxy.freshness.outcome import outcome_of_asking, outcome_of_serving
from regproxy.freshness.plan import Fetch, Pass, Refuse, Revalidate, Serve, plan
from regproxy.freshness.verdict import ABSENCES, Failed, New, Relay, Same, Upstreamed, judge
from regproxy.freshness.verdict import Answered as Status
from regproxy.model.answer import Answer, Reply, Stored
from regproxy.model.decision import Cached, FailureClass
from regproxy.model.entry import Binding, BindingKey, LinkKey
from regproxy.model.event import Outcome
from regproxy.model.message import Fields, Head, accept_class, admits, content_length, field, joined, media_type
from regproxy.model.oci import MAX_MANIFEST, Digest, Kind, parse_digest
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the tag means now; `same`: what it meant before; `body`: the manifest, when a GET brought it."""

    binding: Binding
    same: bool
    body: bytes | None = None


class Tags:
    """Answers requests for manifests by tag; owns the flights that resolve tags."""

    def __init__(self, engines: Engines, passage: Passage, manifests: Manifests) -> None:
        self._engines = engines
        self._passage = passage
        self._manifests = manifests
        self._flights: Flights[BindingKey, Resolved | Answered] = Flights(engines)

    async def answer(self, lookup: Lookup, tag: str) -> Answer:
        """Serve, revalidate or resolve the tag that the request names."""
        key, binding = await self._binding(lookup, tag)
        negative = self._engines.negatives.get(key)
        known: Known | None = _known(binding) if binding else negative.absent if negative else None
        decision = Cached(lookup.tier, lookup.terms)
        step = plan(decision, known, self._engines.clock(), only_if_cached=lookup.only_if_cached)
        match step:
            case Serve(negative=True):
                head, body = (negative.head, negative.body) if negative else (Head(404), b"")
                return relayed(head, body, lookup.labels(outcome_of_serving(step)))
            case Serve() if binding is not None:
                if step.refresh:
                    self._flights.join(key, lambda: self._resolve(lookup, key, binding, "head"))
                return await self._serve(lookup, key, binding, outcome_of_serving(step))
            case Revalidate() if binding is not None:
                return await self._revalidate(lookup, key, binding, step)
            case Fetch() | Serve() | Revalidate():
                return await self._fetch(lookup, key)
            case Refuse(status=status, text=text):
                return refused(status, "UNAVAILABLE", f"regproxy: {text}", lookup.labels(Outcome.LOCAL))
            case Pass():
                return await self._passage.anonymous(lookup)
            case _:
                assert_never(step)

    async def _binding(self, lookup: Lookup, tag: str) -> tuple[BindingKey, Binding | None]:
        """The native binding if the client admits it, else the one for what the client admits."""
        key = BindingKey(lookup.ask.authority, lookup.resource.repository, tag)
        store = self._engines.store
        if not await store.is_public(key.authority, key.repository):
            return key, None
        accept = joined(lookup.ask.fields, "accept")
        binding = await store.binding(key)
        if binding is not None and not admits(accept, binding.media_type):
            key = replace(key, accept=accept_class(accept))
            binding = await store.binding(key)
        return key, binding

    # Serving what a binding names.

    async def _serve(
        self, lookup: Lookup, key: BindingKey, binding: Binding, outcome: Outcome, body: bytes | None = None
    ) -> Answer:
        head = binding_head(binding, self._engines.clock())
        labels = lookup.labels(outcome)
        if lookup.ask.method == "HEAD":
            return Reply(with_length(head, binding.size), b"", labels)
        if body is not None:
            return Reply(with_length(head, len(body)), body, labels)
        link_key = LinkKey(key.authority, key.repository, Kind.MANIFEST, binding.digest)
        store = self._engines.store
        content = await store.content(binding.digest)
        if content is not None and await store.link(link_key) is not None:
            store.touch(binding.digest)
            return Stored(head, binding.digest, content.size, labels)
        return await self._by_digest(lookup, key, link_key, binding, moved=outcome is Outcome.EXPIRED)

    async def _by_digest(
        self, lookup: Lookup, key: BindingKey, link_key: LinkKey, binding: Binding, *, moved: bool
    ) -> Answer:
        """The tag is known and its bytes are not: get them by digest, for the tag may have moved meanwhile."""
        try:
            found, joined_other = await self._manifests.fetch(lookup, link_key)
            if isinstance(found, Answered) and found.head.status in ABSENCES:
                # The registry no longer has what the tag meant: ask what it means now.
                resolved = await self._join(lookup, key, binding, "full")
                return await self._resolved(lookup, key, resolved, Outcome.EXPIRED)
        except UpstreamFailed as error:
            return failed(error, lookup.labels(Outcome.ERROR))
        except ValueError:
            return await self._passage.anonymous(lookup)
        if isinstance(found, Answered):
            return refusal(lookup, found.head, found.body)
        head = with_length(binding_head(binding, self._engines.clock()), len(found.body))
        first = Outcome.EXPIRED if moved else Outcome.MISS
        return Reply(head, found.body, lookup.labels(Outcome.COLLAPSED if joined_other else first))

    async def _resolved(
        self, lookup: Lookup, key: BindingKey, resolved: Resolved | Answered, outcome: Outcome
    ) -> Answer:
        if isinstance(resolved, Answered):
            return self._answered(lookup, key, resolved)
        accept = joined(lookup.ask.fields, "accept")
        if not key.accept and not admits(accept, resolved.binding.media_type):
            own = replace(key, accept=accept_class(accept))
            return await self._fetch(lookup, own)
        return await self._serve(lookup, key, resolved.binding, outcome, resolved.body)

    def _answered(self, lookup: Lookup, key: BindingKey, answered: Answered) -> Reply:
        now = self._engines.clock()
        verdict = judge(lookup.terms, None, Status(answered.head.status), now)
        if isinstance(verdict, Relay) and verdict.remember:
            absent = Absent(answered.head.status, now)
            self._engines.remember(key, Negative(absent, answered.head, answered.body))
        return refusal(lookup, answered.head, answered.body)

    # Asking upstream.

    async def _join(self, lookup: Lookup, key: BindingKey, binding: Binding | None, method: str) -> Resolved | Answered:
        task, _ = self._flights.join(key, lambda: self._resolve(lookup, key, binding, method))
        return await asyncio.shield(task)

    async def _fetch(self, lookup: Lookup, key: BindingKey) -> Answer:
        method = "head" if lookup.ask.method == "HEAD" else "full"
        task, joined_other = self._flights.join(key, lambda: self._resolve(lookup, key, None, method))
        try:
            resolved = await asyncio.shield(task)
            return await self._resolved(lookup, key, resolved, Outcome.COLLAPSED if joined_other else Outcome.MISS)
        except UpstreamFailed as error:
            return failed(error, lookup.labels(Outcome.ERROR))
        except ValueError:
            return await self._passage.anonymous(lookup)

    async def _revalidate(self, lookup: Lookup, key: BindingKey, binding: Binding, step: Revalidate) -> Answer:
        task, _ = self._flights.join(key, lambda: self._resolve(lookup, key, binding, step.method))
        done, _ = await asyncio.wait({task}, timeout=step.within)
        if not done:
            return await self._serve(lookup, key, binding, Outcome.STALE)
        try:
            resolved = task.result()
        except UpstreamFailed as error:
            outcome = self._outcome(lookup, binding, Failed(error.failure))
            if outcome is Outcome.STALE:
                return await self._serve(lookup, key, binding, outcome)
            return failed(error, lookup.labels(outcome))
        except ValueError:
            return await self._passage.anonymous(lookup)
        outcome = self._outcome(lookup, binding, _upstreamed(resolved))
        if outcome is Outcome.STALE:
            return await self._serve(lookup, key, binding, outcome)
        return await self._resolved(lookup, key, resolved, outcome)

    def _outcome(self, lookup: Lookup, binding: Binding, upstream: Upstreamed) -> Outcome:
        return outcome_of_asking(lookup.terms, _known(binding), upstream, self._engines.clock())

    async def _resolve(
        self, lookup: Lookup, key: BindingKey, binding: Binding | None, method: str
    ) -> Resolved | Answered:
        """Ask what the tag means and keep the answer; a HEAD without a digest is followed by a GET."""
        accept: Fields = (("Accept", key.accept),) if key.accept else ACCEPT_MANIFESTS
        target = f"/v2/{key.repository}/manifests/{key.tag}"
        if method == "head":
            head, _ = await self._engines.upstream.fetch(lookup.upstream("HEAD", target, accept), key.repository, 0)
            if head.status != 200:
                return await self._not_there(key, binding, Answered(head, b""))
            resolved = await self._by_head(key, binding, head)
            if resolved is not None:
                return resolved
        etag = f'"{binding.digest}"' if binding is not None and method == "etag" else None
        fields = (*accept, ("If-None-Match", etag)) if etag else accept
        request = lookup.upstream("GET", target, fields)
        head, body = await self._engines.upstream.fetch(request, key.repository, MAX_MANIFEST)
        if head.status == 304 and binding is not None:
            return await self._freshened(key, binding)
        if head.status != 200:
            return await self._not_there(key, binding, Answered(head, body))
        return await self._by_get(key, binding, head, body)

    async def _by_head(self, key: BindingKey, binding: Binding | None, head: Head) -> Resolved | None:
        try:
            digest = parse_digest(field(head.fields, "docker-content-digest") or "")
            size = content_length(head.fields)
        except ValueError:
            return None
        if size is None or not digest.verifiable:
            return None
        if binding is not None and binding.digest == digest:
            return await self._freshened(key, binding)
        found = self._new_binding(digest, head, size)
        public = (key.authority, key.repository, found.stored_at)
        await record(self._engines, Changes(bindings=((key, found),), public=(public,)))
        self._engines.negatives.pop(key, None)
        return Resolved(found, same=False)

    async def _by_get(self, key: BindingKey, binding: Binding | None, head: Head, body: bytes) -> Resolved:
        digest = _named_digest(key, head, body)
        same = binding is not None and binding.digest == digest
        found = self._new_binding(digest, head, len(body))
        if same and binding is not None:
            found = replace(found, stored_at=binding.stored_at)
        link_key = LinkKey(key.authority, key.repository, Kind.MANIFEST, digest)
        await self._manifests.keep(link_key, head, body, Changes(bindings=((key, found),)))
        self._engines.negatives.pop(key, None)
        return Resolved(found, same, body)

    def _new_binding(self, digest: Digest, head: Head, size: int) -> Binding:
        now = self._engines.clock()
        kind = media_type(field(head.fields, "content-type"))
        return Binding(digest, kind, size, kept_fields(head.fields), now, now)

    async def _freshened(self, key: BindingKey, binding: Binding) -> Resolved:
        found = replace(binding, validated_at=self._engines.clock(), gone_at=None)
        public = (key.authority, key.repository, found.validated_at)
        await record(self._engines, Changes(bindings=((key, found),), public=(public,)))
        return Resolved(found, same=True)

    async def _not_there(self, key: BindingKey, binding: Binding | None, answered: Answered) -> Answered:
        """Our anonymous question was refused: the name is gone, or the repository is no longer public."""
        status = answered.head.status
        if status in ABSENCES and binding is not None and binding.gone_at is None:
            gone = replace(binding, gone_at=self._engines.clock())
            await record(self._engines, Changes(bindings=((key, gone),)))
        elif status in (401, 403):
            await record(self._engines, Changes(private=((key.authority, key.repository),)))
        return answered


def _known(binding: Binding) -> Validated:
    return Validated(binding.validated_at, binding.gone_at)


def _upstreamed(resolved: Resolved | Answered) -> Upstreamed:
    if isinstance(resolved, Answered):
        return Status(resolved.head.status)
    return Same() if resolved.same else New()


def _named_digest(key: BindingKey, head: Head, body: bytes) -> Digest:
    """The digest of a tag's manifest; raises UpstreamFailed when the registry names another."""
    named = field(head.fields, "docker-content-digest")
    try:
        digest = parse_digest(named) if named else None
    except ValueError:
        digest = None
    algorithm = digest.algorithm if digest is not None and digest.verifiable else "sha256"
    found = digest_of(body, algorithm)
    if digest is not None and digest.verifiable and digest != found:
        raise UpstreamFailed(FailureClass.RESET, f"{key.authority.name}: the manifest does not hash to {digest}")
    return found
