"""Asking an origin: what is stored is confirmed or replaced, a new answer is kept, or the transfer is handed on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from regproxy.cache.gathering import Gathering
from regproxy.cache.lookup import Engines
from regproxy.cache.manifests import record
from regproxy.cache.variants import Variant, Variants
from regproxy.cache.wanted import Place, Wanted
from regproxy.freshness.origin import Response, received
from regproxy.freshness.reuse import stands_in
from regproxy.freshness.storing import is_useful, is_whole
from regproxy.freshness.validation import conditions, freshened, is_about, is_same
from regproxy.freshness.verdict import Answered
from regproxy.model.account import ANONYMOUS
from regproxy.model.message import Head
from regproxy.store.rows import Changes
from regproxy.upstream.session import OpenTransfer

# Answers that say nothing of what the target is now: what is stored outlives them.
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that others may have too, if `shared`; without `body` what is stored was confirmed."""

    variant: Variant
    head: Head
    body: bytes | None
    shared: bool


@dataclass(frozen=True, slots=True)
class Failing:
    """The origin answered with a failure for which what is stored stands in."""

    status: int


@dataclass(frozen=True, slots=True)
class Passing:
    """An answer that is not stored, its body still to come: who takes it runs it, or gives it up."""

    head: Head
    transfer: OpenTransfer
    sink: Gathering


Landed = Kept | Failing | Passing


class _Watch:
    """A fetch under way; `superseded` once the target was changed after it began."""

    def __init__(self) -> None:
        self.superseded = False


class Landing:
    """Fetches; owns what is known of those under way."""

    def __init__(self, engines: Engines, variants: Variants) -> None:
        self._engines = engines
        self._variants = variants
        self._watches: dict[Place, set[_Watch]] = {}

    async def fetch(self, wanted: Wanted, found: Variant | None) -> Landed:
        """Ask the origin, with the validators of what is stored. Raises UpstreamFailed, ValueError and OSError."""
        with self._watched(wanted.place) as watch:
            asked_at = self._engines.clock()
            limit = min(wanted.terms.max_object, self._engines.store.limits.max_object)
            sink = Gathering(lambda head: self._wants(wanted, head), limit)
            transfer = await wanted.open(self._engines, conditions(found.response) if found is not None else (), sink)
            try:
                if found is not None and transfer.head.status == 304 and not is_about(found.response, transfer.head):
                    transfer.cancel()
                    return await self.fetch(wanted, None)
                return await self._landed(wanted, found, transfer, sink, asked_at=asked_at, watch=watch)
            except BaseException:
                transfer.cancel()
                raise

    async def changed(self, place: Place) -> None:
        """A request changed the target: what is stored and what is under way describe what was before."""
        for watch in self._watches.get(place, ()):
            watch.superseded = True
        await self._variants.invalidate(place)

    @contextmanager
    def _watched(self, place: Place) -> Iterator[_Watch]:
        watch = _Watch()
        watches = self._watches.setdefault(place, set())
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches and self._watches.get(place) is watches:
                del self._watches[place]

    def _wants(self, wanted: Wanted, head: Head) -> bool:
        """Whether a body is collected to be stored."""
        if wanted.ask.method != "GET" or not is_whole(head) or not wanted.may_store(wanted.lasting(head)):
            return False
        now = self._engines.clock()
        return is_useful(received(head, now, now), wanted.terms)

    async def _landed(
        self,
        wanted: Wanted,
        found: Variant | None,
        transfer: OpenTransfer,
        sink: Gathering,
        *,
        asked_at: float,
        watch: _Watch,
    ) -> Landed:
        head, now = transfer.head, self._engines.clock()
        if found is not None and head.status == 304:
            await transfer.finished()
            return await self._confirmed(wanted, found, freshened(found.response, head, asked_at, now), watch)
        if found is not None and stands_in(found.response, wanted.terms, Answered(head.status), now):
            transfer.cancel()
            return Failing(head.status)
        body = await sink.whole(transfer)
        if body is not None:
            made = self._variants.made(wanted, received(wanted.lasting(head), asked_at, now), body)
            await self._variants.keep(wanted, made, body, found, lambda: watch.superseded)
            return Kept(made, head, body, shared=not watch.superseded)
        await self._not_stored(wanted, found, head, asked_at=asked_at, watch=watch)
        return Passing(head, transfer, sink)

    async def _confirmed(self, wanted: Wanted, found: Variant, response: Response, watch: _Watch) -> Kept:
        renewed = self._variants.renewed(wanted, found, response)
        head = Head(response.status, response.fields)
        storable = wanted.may_store(head) and not watch.superseded
        if storable:
            await self._variants.keep(wanted, renewed, None, found, lambda: watch.superseded)
        elif not wanted.personal:
            await self._variants.drop(found)
        return Kept(renewed, head, None, storable)

    async def _not_stored(
        self, wanted: Wanted, found: Variant | None, head: Head, *, asked_at: float, watch: _Watch
    ) -> None:
        """What an answer means for what is stored although it is not stored itself."""
        if wanted.personal:
            return
        lookup, now = wanted.lookup, self._engines.clock()
        if lookup is not None and head.status in (401, 403):
            withdrawn = ((wanted.ask.authority, lookup.resource.repository, ANONYMOUS.label),)
            await record(self._engines, Changes(withdrawn=withdrawn))
        if found is None or head.status >= 500 or head.status in _PASSING:
            return
        if wanted.ask.method == "HEAD" and is_same(found.response, found.size, head):
            await self._confirmed(wanted, found, freshened(found.response, head, asked_at, now), watch)
        else:
            await self._variants.drop(found)
