"""Layers fetched ahead: behind a manifest that a client was fetched comes the rest of its image, while nobody waits.

What is asked goes as the client's own requests would: under its login or the one it is lent, past the same rules.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice

from regproxy.cache.blobs import Blobs
from regproxy.cache.images import Images
from regproxy.cache.lookup import ACCEPT_ANY, ACCEPT_MANIFESTS, Engines, Lookup
from regproxy.cache.prefetch import Fetched, arrived
from regproxy.freshness.prefetching import layers_worth, manifests_worth
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Reply
from regproxy.model.entry import LinkKey
from regproxy.model.event import Outcome
from regproxy.model.manifest import Descriptor, descriptors
from regproxy.model.oci import Digest, Kind
from regproxy.model.pull_event import LayersPrefetched

TICK_SECONDS = 1.0
MOMENT_SECONDS = 5.0  # the client's own requests for layers come first
MAX_WAIT_SECONDS = 900.0  # for a registry to be quiet
MAX_WAITING = 64  # manifests; of more, the one that waited longest is given up
MAX_LISTED = 512  # descriptors of one of them
MAX_OURS = 10_000  # manifests that are known to have been fetched for nobody
AT_ONCE = 2  # registries; one layer at a time from each

_FETCHED = frozenset({Outcome.MISS, Outcome.EXPIRED})


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A manifest that a client was fetched, by what it lists."""

    lookup: Lookup
    listed: tuple[Descriptor, ...]

    @property
    def authority(self) -> Authority:
        return self.lookup.ask.authority


class Ahead:
    """Owns the manifests whose layers wait; `answer` answers a request as it would a client's."""

    def __init__(
        self, engines: Engines, images: Images, blobs: Blobs, answer: Callable[[Ask], Awaitable[Answer]]
    ) -> None:
        self._engines = engines
        self._images = images
        self._blobs = blobs
        self._answer = answer
        self._waiting: list[_Waiting] = []
        self._asking: dict[Authority, Ask] = {}
        self._ours: dict[Digest, None] = {}

    def answered(self, lookup: Lookup, answer: Answer) -> None:
        """A request for a manifest was answered so; not by what this class asks itself."""
        if not lookup.terms.prefetch or lookup.ask.ours or self._asking.get(lookup.ask.authority) is lookup.ask:
            return
        if lookup.resource.digest is not None:
            self._ours.pop(lookup.resource.digest, None)
        match answer:
            case Reply(head=head, body=body, labels=labels) if head.status == 200 and body:
                if labels.outcome in _FETCHED:
                    self._waiting.append(_Waiting(lookup, descriptors(body)[:MAX_LISTED]))
                    del self._waiting[:-MAX_WAITING]

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(TICK_SECONDS)

    async def step(self) -> None:
        """Fetch behind the manifests that waited longest, of registries that are quiet."""
        now = self._engines.clock()
        self._waiting = [one for one in self._waiting if 0 <= now - one.lookup.at < MAX_WAIT_SECONDS]
        due: dict[Authority, list[_Waiting]] = {}
        for one in self._waiting:
            if now - one.lookup.at >= MOMENT_SECONDS and self._is_quiet(one.authority):
                due.setdefault(one.authority, []).append(one)
        await asyncio.gather(*(self._in_turn(ones) for ones in islice(due.values(), AT_ONCE)))

    async def _in_turn(self, ones: Iterable[_Waiting]) -> None:
        for one in ones:
            if one not in self._waiting or not self._is_quiet(one.authority):
                break
            self._waiting.remove(one)
            await self._fetch(one)

    async def _fetch(self, one: _Waiting) -> None:
        fetched, failure = Fetched(), ""
        try:
            await self._rest(one, fetched)
        except (ValueError, OSError) as error:
            failure = str(error)
        finally:
            self._asking.pop(one.authority, None)
        if failure and not self._is_quiet(one.authority):
            self._waiting.insert(0, one)
            failure = ""
        if failure or fetched.contents:
            labels = one.lookup.labels(Outcome.MISS)
            brought = fetched.contents, fetched.bytes
            self._engines.report(LayersPrefetched(labels.registry, labels.repository, *brought, failure))

    async def _rest(self, one: _Waiting, fetched: Fetched) -> None:
        """What is not here of the image; raises ValueError, and OSError where the disk refuses."""
        listed = one.listed
        for manifest in manifests_worth(listed, await self._images.seen(*one.lookup.place, self._ours)):
            listed = (*listed, *await self._listed_in(one, manifest, fetched))
        for layer in layers_worth(listed):
            key = LinkKey(*one.lookup.place, Kind.BLOB, layer.digest)
            if self._blobs.has_come(key) or await self._engines.content(layer.digest) is not None:
                continue
            if not await self._engines.store.has_room(layer.size):
                raise ValueError("nothing leaves the cache for what nobody asked for yet")
            await self._ask(one, Kind.BLOB, layer, fetched)

    async def _listed_in(self, one: _Waiting, manifest: Descriptor, fetched: Fetched) -> tuple[Descriptor, ...]:
        """What a manifest lists; where pulls are counted none is spent on it."""
        if await self._engines.content(manifest.digest) is None:
            if self._counts_pulls(one.lookup):
                return ()
            self._ours[manifest.digest] = None
            while len(self._ours) > MAX_OURS:
                del self._ours[next(iter(self._ours))]
            await self._ask(one, Kind.MANIFEST, manifest, fetched)
        return descriptors(await self._images.body(manifest.digest))

    def _counts_pulls(self, lookup: Lookup) -> bool:
        request = lookup.upstream("GET", lookup.resource.path, ACCEPT_MANIFESTS)
        return self._engines.upstream.counts_pulls(request, lookup.account)

    async def _ask(self, one: _Waiting, kind: Kind, what: Descriptor, fetched: Fetched) -> None:
        """Ask as the client would, and wait for the body; raises ValueError where it cannot be had, or is given up."""
        if not self._is_quiet(one.authority):
            raise ValueError("clients fetch from this registry, or it is not to be asked")
        word, accept = ("manifests", ACCEPT_MANIFESTS) if kind is Kind.MANIFEST else ("blobs", ACCEPT_ANY)
        ask = one.lookup.ask
        target = f"/v2/{one.lookup.resource.repository}/{word}/{what.digest}"
        fields = (*(field for field in ask.fields if field[0].lower() == "authorization"), *accept)
        ask = replace(ask, method="GET", target=target, fields=fields, span=None)
        self._asking[one.authority] = ask
        answer = await self._answer(ask)
        await arrived(answer, one.authority, target, fetched, lambda: self._is_quiet(one.authority))

    def _is_quiet(self, authority: Authority) -> bool:
        """Whether the registry may be asked, and fetches nothing for clients now."""
        asking = self._asking.get(authority)
        ours = asking.target.rpartition("/")[2] if asking is not None else ""
        others = [
            one
            for one in self._blobs.transfers()
            if one.key.authority == authority and one.clients > (str(one.key.digest) == ours)
        ]
        return not others and not self._engines.upstream.is_held(authority)
