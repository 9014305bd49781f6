"""Manifests on their way into the cache: small, fetched whole, verified before their first byte is served."""

import asyncio
import hashlib
from dataclasses import dataclass, replace

from regproxy.cache.fetches import Answered, Flights, answered
from regproxy.cache.lookup import ACCEPT_MANIFESTS, Engines, Lookup, Party, Said
from regproxy.cache.replies import kept_fields
from regproxy.model.address import Authority
from regproxy.model.ambiguity import ambiguity
from regproxy.model.answer import Forget
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Link, LinkKey
from regproxy.model.event import DigestMismatched, StoreFailed
from regproxy.model.manifest import children
from regproxy.model.message import field, media_type
from regproxy.model.oci import MAX_MANIFEST, Digest, Kind
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest's verified bytes and the link they made; in hand also when the disk refused them."""

    body: bytes
    link: Link


class Manifests:
    """Fetches manifests by digest, one transfer for all who ask, and keeps verified ones."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._flights: Flights[tuple[LinkKey, Party], Fetched | Answered] = Flights(engines)

    async def fetch(self, lookup: Lookup, key: LinkKey) -> tuple[Fetched | Answered, bool]:
        """The manifest or the upstream's refusal, and whether the transfer was another's.

        Raises UpstreamFailed when there is no usable answer, ValueError when the manifest is larger than 4 MiB.
        """
        task, joined = self._flights.join((key, lookup.party), lambda: self._fetch(lookup, key))
        return await asyncio.shield(task), joined

    def deleted(self, key: LinkKey) -> None:
        """The registry was told to delete it: nobody joins those who fetch it still."""
        self._flights.leave(lambda flight: flight[0] == key)

    async def _fetch(self, lookup: Lookup, key: LinkKey) -> Fetched | Answered:
        path = f"/v2/{key.repository}/manifests/{key.digest}"
        request = lookup.upstream("GET", path, ACCEPT_MANIFESTS)
        said = await self._engines.ask(lookup, request, MAX_MANIFEST)
        if said.head.status != 200:
            await record_refusal(self._engines, said)
            return answered(key.authority.name, said.head, said.body)
        fetched = await self.keep(key, said, Changes())
        self._engines.store.keep(key.digest, lookup.terms.keep)
        return fetched

    async def keep(self, key: LinkKey, said: Said, changes: Changes) -> Fetched:
        """Verify a manifest, then keep it with its link and `changes` in one transaction.

        Raises UpstreamFailed when the bytes do not hash to the digest or may be read in two ways; a disk that refuses
        is reported, not raised.
        """
        head, body = said.head, said.body
        link = Link(media_type(field(head.fields, "content-type")), len(body), kept_fields(head.fields), said.at, "get")
        if digest_of(body, key.digest.algorithm) != key.digest:
            name = key.authority.name
            self._engines.report(DigestMismatched(name, str(key.kind), str(key.digest)))
            raise UpstreamFailed(FailureClass.RESET, f"{name}: the bytes do not hash to {key.digest}")
        if (why := ambiguity(body, link.media_type)) is not None:
            raise UpstreamFailed(FailureClass.RESET, f"{key.authority.name}: {why}")
        references = tuple((key.digest, child) for child in children(body))
        changes = replace(changes, links=(*changes.links, (key, link)), granted=said.granted, references=references)
        if await keep_bytes(self._engines, key.digest, body, key.kind):
            await record(self._engines, changes)
        return Fetched(body, link)


async def keep_bytes(engines: Engines, digest: Digest, body: bytes, kind: Kind) -> bool:
    """Put a small verified body on disk; False, and reported, when the disk refused."""
    try:
        writer = await engines.store.writer(len(body), kind, digest.algorithm)
        try:
            writer.write(body)
            await writer.commit(digest)
        finally:
            writer.abort()
    except OSError as error:
        engines.report(StoreFailed("commit", str(error)))
        return False
    return True


async def record(engines: Engines, changes: Changes) -> None:
    """Write rows; what the disk refuses is reported and forgotten: a cache failure is never a pull failure.

    What a push overtook is left out. Edges forget the repositories that are answered differently from now on.
    """
    changes = engines.overtaking.current(changes)
    try:
        await engines.store.record(changes)
    except OSError as error:
        engines.report(StoreFailed("record", str(error)))
    for authority, repository in sorted(_changed(changes)):
        engines.forget(Forget(authority, repository))


async def record_refusal(engines: Engines, said: Said) -> None:
    """Write down whom an answer refused, if anybody: what that account was told before is no longer for it."""
    if said.withdrawn:
        await record(engines, Changes(withdrawn=said.withdrawn))


def _changed(changes: Changes) -> set[tuple[Authority, str]]:
    """Where something means something new, is gone, or may not be read any more; not where it was only confirmed."""
    found = {(authority, repository) for authority, repository, _ in changes.withdrawn}
    found |= {(pushed.authority, pushed.repository) for pushed in changes.pushed}
    found |= {(key.authority, key.repository) for key in changes.dropped_links}
    found |= {(key.authority, key.repository) for key in changes.dropped_bindings}
    for key, row in changes.bindings:
        if row.gone_at is not None or row.stored_at == row.validated_at:
            found.add((key.authority, key.repository))
    return found


def digest_of(body: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of a small body."""
    return Digest(algorithm, hashlib.new(algorithm, body).hexdigest())
