"""Stored responses as an origin described them: several for one target, told apart by the fields that Vary names."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from regproxy.cache.lookup import Engines
from regproxy.cache.manifests import digest_of, keep_bytes, record
from regproxy.cache.wanted import Place, Wanted
from regproxy.freshness.origin import Response
from regproxy.freshness.selecting import variant, vary_names
from regproxy.model.account import ANONYMOUS
from regproxy.model.address import Authority
from regproxy.model.entry import Generic, GenericKey, content_path
from regproxy.model.message import field, without
from regproxy.model.oci import Digest, Kind
from regproxy.store.rows import Changes

# Answers of one target that are kept; the one validated longest ago makes room.
MAX_VARIANTS = 16
# A status among the fields, as HTTP/2 has it (RFC 9113 §8.3.2): no field of a message can have this name.
_STATUS = ":status"


@dataclass(frozen=True, slots=True)
class Variant:
    """One stored response and where its body is."""

    key: GenericKey
    response: Response
    digest: Digest
    size: int
    stored_at: float


class Variants:
    """Selects, keeps and drops stored responses. Methods raise OSError when the store cannot be read."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def select(self, wanted: Wanted) -> Variant | None:
        """The latest stored response that this request may be given (RFC 9111 §4.1), if its body is here."""
        store = self._engines.store
        if wanted.lookup is not None and await store.granted_at(*wanted.lookup.place) is None:
            return None
        stored = await self._all(wanted.place)
        fitting = [one for one in stored if one.key.variant == _variant(one.response, wanted)]
        best = max(fitting, key=lambda one: one.response.at, default=None)
        return best if best is not None and await self._engines.content(best.digest) is not None else None

    async def body(self, found: Variant) -> bytes:
        """The body of a stored response, which is small."""
        if not found.size:
            return b""
        return await asyncio.to_thread((self._engines.store.directory / content_path(found.digest)).read_bytes)

    def made(self, wanted: Wanted, response: Response, body: bytes) -> Variant:
        """A response that came now, not yet kept."""
        key = GenericKey(*wanted.place, _variant(response, wanted))
        return Variant(key, response, digest_of(body), len(body), response.at)

    def renewed(self, wanted: Wanted, found: Variant, response: Response) -> Variant:
        """What is stored with a newer head."""
        key = GenericKey(*wanted.place, _variant(response, wanted))
        return Variant(key, response, found.digest, found.size, found.stored_at)

    async def keep(
        self,
        wanted: Wanted,
        made: Variant,
        body: bytes | None,
        instead: Variant | None,
        superseded: Callable[[], bool],
    ) -> None:
        """Write it down, with its body unless that is there, in the place of another; what fails is reported.

        Not where it was superseded meanwhile: who invalidates what is stored looks in the index after that is known.
        """
        if body is not None and not await keep_bytes(self._engines, made.digest, body, Kind.OTHER):
            return
        self._engines.store.keep(made.digest, wanted.terms.keep)
        others = [one for one in await self._all(wanted.place) if one.key != made.key]
        others.sort(key=lambda one: one.response.at, reverse=True)
        dropped = {one.key for one in others[MAX_VARIANTS - 1 :]}
        if instead is not None and instead.key != made.key:
            dropped.add(instead.key)
        response = made.response
        fields = ((_STATUS, str(response.status)), *response.fields)
        row = Generic(made.digest, made.size, fields, made.stored_at, response.at)
        lookup = wanted.lookup
        granted: tuple[tuple[Authority, str, str, float], ...] = ()
        if lookup is not None and response.status == 200:
            granted = ((*lookup.place, ANONYMOUS.label, response.at),)
        changes = Changes(dropped_generics=tuple(dropped), generics=((made.key, row),), granted=granted)
        if not superseded():
            await record(self._engines, changes)

    async def drop(self, found: Variant) -> None:
        """Forget one."""
        await record(self._engines, Changes(dropped_generics=(found.key,)))

    async def invalidate(self, place: Place) -> None:
        """Forget all of a target (RFC 9111 §4.4)."""
        keys = tuple(await self._engines.store.variants(*place))
        if keys:
            await record(self._engines, Changes(dropped_generics=keys))

    async def _all(self, place: Place) -> list[Variant]:
        """What is stored for a target, less lists that the policy, and not the origin, gave their lifetime."""
        found = await self._engines.store.variants(*place)
        return [
            Variant(key, Response(int(status), without(row.fields, [_STATUS]), row.validated_at), row.digest, row.size,
                    row.stored_at)
            for key, row in found.items()
            if key.variant and (status := field(row.fields, _STATUS)) is not None
        ]  # fmt: skip


def _variant(response: Response, wanted: Wanted) -> str:
    return variant(vary_names(response.fields), wanted.sent)
