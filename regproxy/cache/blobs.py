"""Blobs on their way into the cache: one fill for all who ask, whole or by range, while it runs."""

import asyncio
from dataclasses import dataclass
from typing import assert_never

from regproxy.cache.fetches import Answered, Beginning, Started, Unstorable
from regproxy.cache.fill import Fill
from regproxy.cache.lookup import ACCEPT_ANY, Engines, Lookup, Said
from regproxy.cache.passing import PassedBy
from regproxy.cache.replies import kept_fields, link_head
from regproxy.model.answer import Filling
from regproxy.model.decision import Keep
from regproxy.model.entry import Link, LinkKey
from regproxy.model.event import Outcome
from regproxy.model.message import Head, field, media_type
from regproxy.store.rows import Changes
from regproxy.store.writer import Writer
from regproxy.upstream.failure import UpstreamFailed

# A body that the disk refused in the middle would break off there again.
OUTGREW_SECONDS = 600.0
# Room may be made at any time; until then every request would open a transfer in vain.
NO_ROOM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """One blob on its way: bytes that are here, of how many (None: not known), for how many readers."""

    key: LinkKey
    bytes: int
    total: int | None
    clients: int


class Blobs:
    """Owns the fills; every request for the same link joins the one that runs."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._fills: dict[LinkKey, dict[str, Fill]] = {}
        self._passed_by: PassedBy[LinkKey, Unstorable] = PassedBy(engines.clock)

    @property
    def under_way(self) -> int:
        """How many blobs are on their way."""
        return len(self._fills)

    def transfers(self) -> list[Transfer]:
        """Each of them."""
        fills = [(key, fill) for key, fills in self._fills.items() for fill in fills.values() if not fill.over]
        return [Transfer(key, fill.followers.have, _total(fill.begun), fill.followers.count) for key, fill in fills]

    def has_come(self, key: LinkKey) -> bool:
        """Whether it is whole, and is being put where look-ups find it."""
        return any(fill.followers.whole for fill in self._fills.get(key, {}).values())

    async def settled(self, key: LinkKey) -> None:
        """Return once what is whole of it is where look-ups find it, or could not be put there."""
        fills = tuple(self._fills.get(key, {}).values())
        tasks = [fill.task for fill in fills if fill.followers.whole and fill.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def fetch(self, lookup: Lookup, key: LinkKey) -> Filling | Answered | Unstorable:
        """Join the fill of this blob, or start it; raises UpstreamFailed when there is no usable answer."""
        passed_by = self._passed_by.get(key)
        if passed_by is not None:
            return passed_by
        fill = await self._running(lookup, key)
        if fill is not None and fill.prefix is not None:
            return Unstorable(fill.prefix)
        joined = fill is not None and not fill.over
        if fill is None or fill.over:
            request = lookup.upstream("GET", lookup.resource.path, ACCEPT_ANY)
            limit = min(lookup.terms.max_object, self._engines.store.limits.max_object)
            fill = Fill(self._engines, lookup, request, key.digest, limit)
            self._fills.setdefault(key, {})[lookup.account.label] = fill
            fill.task = self._engines.spawn(self._run(key, lookup, fill))
        fill.followers.join()
        try:
            answer = await self._begun(lookup, key, fill, joined=joined)
        except BaseException:
            fill.followers.leave()
            raise
        if not isinstance(answer, Filling):
            fill.followers.leave()
        return answer

    async def _running(self, lookup: Lookup, key: LinkKey) -> Fill | None:
        """The fill of the caller's own account, or any that has begun where the caller may read."""
        label = lookup.account.label
        fills = self._fills.get(key, {})
        if label in fills or not fills or lookup.lapsed or (as_of := await self._engines.as_of(lookup)) is None:
            return self._fills.get(key, {}).get(label)
        fills = self._fills.get(key, {})
        return fills.get(label) or next((fill for fill in fills.values() if _is_for(as_of, fill)), None)

    async def _begun(
        self, lookup: Lookup, key: LinkKey, fill: Fill, *, joined: bool
    ) -> Filling | Answered | Unstorable:
        try:
            beginning = await asyncio.shield(fill.beginning)
        except UpstreamFailed as error:
            rejection = self._engines.rejection(lookup, error)
            if rejection is None:
                raise
            return Answered(*rejection)
        match beginning:
            case Started(head=head, size=size):
                link = _link(head, size or 0, self._engines.clock())
                answer = link_head(key.digest, link, link.checked_at)
                outcome = Outcome.COLLAPSED if joined else Outcome.MISS
                return Filling(answer, size, fill.open_reader(), fill.followers, lookup.labels(outcome))
            case Answered() | Unstorable():
                return beginning
            case _:
                assert_never(beginning)

    def deleted(self, key: LinkKey) -> None:
        """The registry was told to delete it: nobody joins those who fetch it still."""
        self._fills.pop(key, None)

    async def _run(self, key: LinkKey, lookup: Lookup, fill: Fill) -> None:
        label, keep = lookup.account.label, lookup.terms.keep
        try:
            await fill.run(lambda writer, said: self._commit(key, writer, said, keep))
        finally:
            # At once: who comes a turn later must not join a fill whose file is closed.
            fills = self._fills.get(key, {})
            if fills.get(label) is fill:
                del fills[label]
            if not fills:
                self._fills.pop(key, None)
            self._pass_by(key, fill)

    def _pass_by(self, key: LinkKey, fill: Fill) -> None:
        if fill.prefix is not None:
            # Those who read the part file still will ask for the rest when they come to its end.
            readers = fill.followers
            self._passed_by.put(key, Unstorable(fill.prefix), OUTGREW_SECONDS, lambda: readers.count > 0)
        elif isinstance(fill.begun, Unstorable):
            self._passed_by.put(key, Unstorable(), NO_ROOM_SECONDS)

    async def _commit(self, key: LinkKey, writer: Writer, said: Said, keep: Keep) -> None:
        content = await writer.commit(key.digest)
        self._engines.store.keep(key.digest, keep)
        link = _link(said.head, content.size, said.at)
        changes = Changes(links=((key, link),), granted=said.granted)
        await self._engines.store.record(self._engines.overtaking.current(changes))


def _link(head: Head, size: int, at: float) -> Link:
    kind = media_type(field(head.fields, "content-type"))
    return Link(kind, size, kept_fields(head.fields), at, "get")


def _is_for(as_of: float, fill: Fill) -> bool:
    """Whether a fill of another account is for a caller whose grant is so old: it may be of what came after."""
    begun = fill.begun
    return isinstance(begun, Started) and not fill.over and begun.at <= as_of


def _total(begun: Beginning | None) -> int | None:
    return begun.size if isinstance(begun, Started) else None
