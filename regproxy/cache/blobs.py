"""Blobs on their way into the cache: one writer into a part file, many readers who follow it."""

import asyncio
from typing import assert_never

from regproxy.cache.fetches import Answered, Fill, Started, Unstorable
from regproxy.cache.lookup import ACCEPT_ANY, Engines, Lookup
from regproxy.cache.replies import kept_fields, link_head
from regproxy.model.answer import Filling
from regproxy.model.entry import Link, LinkKey
from regproxy.model.event import Outcome
from regproxy.model.message import Head, field, media_type
from regproxy.store.rows import Changes
from regproxy.store.writer import Writer

# A body that the disk refused in the middle would break off there again: it is passed by for so long, and its clients,
# who come back for the rest, get it.
PASSED_BY_SECONDS = 600.0
MAX_PASSED_BY = 1000


class Blobs:
    """Owns the fills; every request for the same link joins the one that runs."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._fills: dict[LinkKey, Fill] = {}
        self._passed_by: dict[LinkKey, float] = {}

    async def fetch(self, lookup: Lookup, key: LinkKey) -> Filling | Answered | Unstorable:
        """Join the fill of this blob, or start it; raises UpstreamFailed when there is no usable answer."""
        fill = self._fills.get(key)
        joined = fill is not None
        if fill is None and self._engines.clock() < self._passed_by.get(key, 0.0):
            return Unstorable()
        if fill is None:
            request = lookup.upstream("GET", lookup.resource.path, ACCEPT_ANY)
            limit = min(lookup.terms.max_object, self._engines.store.limits.max_object)
            fill = Fill(self._engines, request, key.repository, key.digest, limit)
            self._fills[key] = fill
            self._engines.spawn(self._run(key, fill))
        beginning = await asyncio.shield(fill.beginning)
        match beginning:
            case Started(head=head, size=size):
                link = self._link(head, size or 0)
                answer = link_head(key.digest, link, link.checked_at)
                outcome = Outcome.COLLAPSED if joined else Outcome.MISS
                return Filling(answer, size, fill.open_reader(), fill, lookup.labels(outcome))
            case Answered() | Unstorable():
                return beginning
            case _:
                assert_never(beginning)

    async def _run(self, key: LinkKey, fill: Fill) -> None:
        try:
            await fill.run(lambda writer, head: self._commit(key, writer, head))
        finally:
            # At once: who comes a turn later must not join a fill whose file is closed.
            del self._fills[key]
            if fill.outgrew_the_disk:
                self._pass_by(key)

    def _pass_by(self, key: LinkKey) -> None:
        now = self._engines.clock()
        self._passed_by = {key: until for key, until in self._passed_by.items() if now < until}
        while len(self._passed_by) >= MAX_PASSED_BY:
            del self._passed_by[next(iter(self._passed_by))]
        self._passed_by[key] = now + PASSED_BY_SECONDS

    def _link(self, head: Head, size: int) -> Link:
        kind = media_type(field(head.fields, "content-type"))
        return Link(kind, size, kept_fields(head.fields), self._engines.clock(), "get")

    async def _commit(self, key: LinkKey, writer: Writer, head: Head) -> None:
        content = await writer.commit(key.digest)
        link = self._link(head, content.size)
        public = (key.authority, key.repository, link.checked_at)
        await self._engines.store.record(Changes(links=((key, link),), public=(public,)))
