"""Requests whose answers the origin describes (`fresh origin`, RFC 9111): any path of a named host, and lists."""

import asyncio
import os
from collections.abc import Awaitable
from dataclasses import replace
from typing import assert_never
from urllib.parse import urljoin, urlsplit

from regproxy.cache.admittance import Admittance
from regproxy.cache.fetches import Flights
from regproxy.cache.landing import Failing, Kept, Landed, Landing, Passing
from regproxy.cache.lookup import Engines
from regproxy.cache.passage import Passage
from regproxy.cache.relay import Inflow, Outflow
from regproxy.cache.replies import failed, refused, unusable
from regproxy.cache.staleness import Asked, stale
from regproxy.cache.variants import Variant, Variants
from regproxy.cache.wanted import Place, Wanted
from regproxy.freshness.directives import MAX_SECONDS
from regproxy.freshness.origin import age, lifetime
from regproxy.freshness.outcome import outcome_of_serving
from regproxy.freshness.plan import Fetch, Refuse, Revalidate, Serve
from regproxy.freshness.reuse import reuse, stands_in
from regproxy.freshness.selecting import variant, vary_names
from regproxy.freshness.storing import is_for_everyone
from regproxy.freshness.verdict import Answered, Failed
from regproxy.model.address import parse_authority
from regproxy.model.answer import Answer, Ask, Reply, Stored, Streaming
from regproxy.model.event import Outcome, StoreFailed
from regproxy.model.message import Fields, Head, field, not_modified, only, without
from regproxy.upstream.failure import UpstreamFailed

# RFC 9110 §9.2.1; any other method may change something.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_NOT_MODIFIED = frozenset("etag cache-control content-location date expires vary set-cookie".split())


class Generics:
    """Answers such requests; owns the flights that fetch for several clients."""

    def __init__(self, engines: Engines, passage: Passage) -> None:
        self._engines = engines
        self._passage = passage
        self._admittance = Admittance(engines)
        self._variants = Variants(engines)
        self._landing = Landing(engines, self._variants)
        self._flights: Flights[tuple[Place, str], Landed] = Flights(engines)

    async def answer(self, wanted: Wanted, inflow: Inflow | None = None) -> Answer:
        """Serve, validate or fetch what the request names; what is not a cache's to answer is passed."""
        if not wanted.is_ours(inflow):
            return await self.passed(wanted, inflow)
        try:
            return await self._answer(wanted)
        except OSError as error:
            # The store cannot be read: a cache failure is never a pull failure.
            self._engines.report(StoreFailed("look-up", str(error)))
            return await self.passed(wanted, None)

    async def passed(self, wanted: Wanted, inflow: Inflow | None) -> Answer:
        """Pass a request on; one that changed something takes what is stored of it along (RFC 9111 §4.4)."""
        ask = wanted.ask
        if wanted.lookup is not None:
            return await self._passage.streamed(wanted.lookup)
        answer = await self._passage.other(ask, wanted.registry, wanted.labels(Outcome.PASS), inflow)
        if ask.method not in SAFE and 200 <= answer.head.status < 400:
            try:
                for target in _changed_targets(ask, answer.head.fields):
                    await self._landing.changed((ask.authority, target))
            except OSError as error:
                self._engines.report(StoreFailed("invalidate", str(error)))
            except BaseException:
                if isinstance(answer, Streaming):
                    os.close(answer.fd)
                raise
        return answer

    async def _answer(self, wanted: Wanted) -> Answer:
        found = await self._variants.select(wanted)
        if found is not None and wanted.personal and not is_for_everyone(found.response.told):
            found = None
        response = found.response if found is not None else None
        step = reuse(response, wanted.ask.fields, wanted.terms, self._engines.clock())
        match step:
            case Serve() if found is not None and not (step.refresh and not wanted.shared):
                if step.refresh:
                    task, joined = self._flights.join(_flight(wanted), lambda: self._landing.fetch(wanted, found))
                    _leave(task, joined=joined)
                if wanted.lookup is not None:
                    closed = await self._admittance.recheck_origin(wanted.lookup)
                    if closed is not None:
                        return closed
                return await self._stored(wanted, found, outcome_of_serving(step), "client")
            case Refuse(status=status, text=text):
                return refused(status, "UNAVAILABLE", f"regproxy: {text}", wanted.labels(Outcome.LOCAL))
            case Fetch() | Serve() if field(wanted.ask.fields, "range") is not None:
                # A part is asked for and nothing is here to cut it from: parts are not stored.
                return await self.passed(wanted, None)
            case Fetch() | Revalidate() | Serve():
                return await self._ask(wanted, found, step.within if isinstance(step, Revalidate) else None)
            case _:
                assert_never(step)

    async def _ask(self, wanted: Wanted, found: Variant | None, within: float | None) -> Answer:
        if not wanted.shared:
            return await self._alone(wanted, found)
        task, joined = self._flights.join(_flight(wanted), lambda: self._landing.fetch(wanted, found))
        try:
            done, _ = await asyncio.wait({task}, timeout=within if found is not None else None)
        except asyncio.CancelledError:
            _leave(task, joined=joined)
            raise
        if not done and found is not None:
            _leave(task, joined=joined)
            return await self._stored(wanted, found, Outcome.STALE)
        return await (self._follow(wanted, found, task) if joined else self._conclude(wanted, found, task))

    async def _alone(self, wanted: Wanted, found: Variant | None) -> Answer:
        return await self._conclude(wanted, found, self._landing.fetch(wanted, found))

    async def _conclude(self, wanted: Wanted, found: Variant | None, fetch: Awaitable[Landed]) -> Answer:
        """Answer from a fetch of one's own; when it failed, from what is stored if that may stand in."""
        try:
            landed = await fetch
        except (UpstreamFailed, ValueError) as error:
            return await self._failed(wanted, found, unusable(wanted.ask.authority, error))
        match landed:
            case Kept(variant=kept, body=None):
                return await self._stored(wanted, kept, Outcome.REVALIDATED)
            case Kept(head=head, body=bytes(body)):
                shown = Head(head.status, without(wanted.shown(head).fields, ["content-length"]))
                return Reply(shown, body, wanted.labels(Outcome.EXPIRED if found is not None else Outcome.MISS))
            case Failing(status=status) if found is not None:
                return await self._stored(wanted, found, Outcome.STALE, status)
            case Passing():
                return self._relay(wanted, landed)
            case _:
                raise AssertionError("nothing is stored that could stand in")

    async def _follow(self, wanted: Wanted, found: Variant | None, fetch: Awaitable[Landed]) -> Answer:
        """Answer from another request's fetch where its answer is one for this request too, else ask for oneself."""
        try:
            landed = await fetch
        except (UpstreamFailed, ValueError) as error:
            return await self._failed(wanted, found, unusable(wanted.ask.authority, error))
        now = self._engines.clock()
        match landed:
            case Kept(variant=kept, body=body, shared=True) if self._serves(wanted, kept):
                if body is None:
                    return await self._stored(wanted, kept, Outcome.REVALIDATED)
                return Reply(self._head(kept), body, wanted.labels(Outcome.COLLAPSED))
            case Failing(status=status) if found is not None and stands_in(
                found.response, wanted.terms, Answered(status), now
            ):
                return await self._stored(wanted, found, Outcome.STALE, status)
            case _:
                return await self._alone(wanted, found)

    def _serves(self, wanted: Wanted, kept: Variant) -> bool:
        fits = kept.key.variant == variant(vary_names(kept.response.fields), wanted.sent)
        return fits and reuse(kept.response, wanted.ask.fields, wanted.terms, self._engines.clock()) == Serve()

    async def _failed(self, wanted: Wanted, found: Variant | None, error: UpstreamFailed) -> Answer:
        response = found.response if found is not None else None
        if found is not None and stands_in(response, wanted.terms, Failed(error.failure), self._engines.clock()):
            return await self._stored(wanted, found, Outcome.STALE, error)
        return failed(error, wanted.labels(Outcome.ERROR))

    async def _stored(self, wanted: Wanted, found: Variant, outcome: Outcome, asked: Asked = None) -> Answer:
        self._engines.store.touch(found.digest, wanted.terms.keep)
        over = max(0.0, min(age(found.response, self._engines.clock()), MAX_SECONDS) - lifetime(found.response))
        labels = replace(wanted.labels(outcome), stale=stale(outcome, over, asked))
        head = self._head(found)
        if head.status == 200:
            return Stored(head, found.digest, found.size, labels)
        # Ranges and conditions are for representations; this is told as it is.
        return Reply(head, await self._variants.body(found), labels)

    def _head(self, found: Variant) -> Head:
        seconds = int(min(age(found.response, self._engines.clock()), MAX_SECONDS))
        return Head(found.response.status, (*without(found.response.fields, ["age"]), ("Age", str(seconds))))

    def _relay(self, wanted: Wanted, passing: Passing) -> Answer:
        head = wanted.shown(passing.head)
        if head.status == 200 and not_modified(wanted.ask.fields, head.fields):
            passing.transfer.cancel()
            return Reply(Head(304, only(head.fields, _NOT_MODIFIED)), b"", wanted.labels(Outcome.PASS))
        outflow = Outflow()
        passing.sink.divert(outflow)
        self._engines.spawn(outflow.run(passing.transfer))
        return Streaming(head, outflow.fd, outflow, wanted.labels(Outcome.PASS))


def _flight(wanted: Wanted) -> tuple[Place, str]:
    return wanted.place, wanted.ask.method


def _leave(task: asyncio.Task[Landed], *, joined: bool) -> None:
    """Nobody waits for this fetch: a transfer that is not stored is given up when it lands."""
    if not joined:
        task.add_done_callback(_give_up)


def _give_up(task: asyncio.Task[Landed]) -> None:
    if not task.cancelled() and task.exception() is None:
        landed = task.result()
        if isinstance(landed, Passing):
            landed.transfer.cancel()


def _changed_targets(ask: Ask, fields: Fields) -> frozenset[str]:
    """The target of a request that changed something, and what its answer names on the same origin."""
    base = f"{ask.scheme}://{ask.authority}{ask.target}"
    changed = {ask.target}
    for name in ("location", "content-location"):
        named = field(fields, name)
        try:
            place = urlsplit(urljoin(base, named)) if named is not None else None
            if place is not None and place.scheme == ask.scheme:
                authority = parse_authority(place.netloc, _DEFAULT_PORTS[ask.scheme])
                if authority == ask.authority:
                    changed.add(f"{place.path or '/'}{'?' if place.query else ''}{place.query}")
        except ValueError:
            continue
    return frozenset(changed)
