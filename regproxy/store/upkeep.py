"""What the store owes its content and does bit by bit: reading what is in doubt, syncing, forgetting old rows."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from regproxy.model.oci import Digest, parse_digest
from regproxy.store import files, rows
from regproxy.store.index import Index
from regproxy.store.work import Work

VERIFIED_AT_ONCE = 512 * 1024**2  # bytes of unverified content that one pass re-hashes
SYNCED_AT_ONCE = 256  # files that one pass brings to the disk
PRUNED_AT_ONCE = 5000  # rows of each table that one pass looks at


class Upkeep:
    """Bounded passes over one directory; `drop` removes content that proved bad, when nobody renewed it meanwhile."""

    def __init__(self, directory: Path, index: Index, work: Work, drop: Callable[[Digest], Awaitable[None]]) -> None:
        self._directory = directory
        self._index = index
        self._work = work
        self._drop = drop
        self._pruned: rows.Pruned = {}

    async def verify(self) -> None:
        """Re-hash what an unclean stop left in doubt, up to VERIFIED_AT_ONCE bytes and at least one file."""
        read = 0
        while read < VERIFIED_AT_ONCE:
            found = await self._index.run(files.next_unverified)
            if found is None:
                return
            read += found[1] + 1
            await self._verify_one(parse_digest(found[0]))

    async def _verify_one(self, digest: Digest) -> None:
        if await self._work.on_disk(lambda: files.hashes_to(self._directory, digest)):
            await self._index.run(lambda tables: files.mark_verified(tables, digest))
        else:
            await self._drop(digest)

    async def sync(self) -> int:
        """Bring to the disk what was stored without waiting for it; how many files this was, SYNCED_AT_ONCE at most.

        What the disk does not take is dropped: a second try may lie.
        """
        digests = await self._index.run(lambda tables: files.unsynced(tables, SYNCED_AT_ONCE))
        if digests:
            good = await self._work.on_disk(lambda: tuple(one for one in digests if files.synced(self._directory, one)))
            await self._index.run(lambda tables: files.mark_synced(tables, digests, good))
            for digest in set(digests) - set(good):
                await self._drop(digest)
        return len(digests)

    async def prune(self, before: float) -> None:
        """Forget rows that nobody validated since `before`, a part of them at a time."""
        done = self._pruned
        self._pruned = await self._index.run(lambda tables: rows.prune(tables, before, done, PRUNED_AT_ONCE))
