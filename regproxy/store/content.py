"""The store: verified content by digest, and what names meant; opened once, by the core."""

import asyncio
import errno
import math
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from regproxy.model.decision import Keep
from regproxy.model.entry import CacheLimits, Content, Link, LinkKey
from regproxy.model.event import EntryStored, Event, StoreFailed
from regproxy.model.measure import DiskMeasured
from regproxy.model.oci import Digest, Kind
from regproxy.store import files
from regproxy.store.choosing import oldest_use
from regproxy.store.eviction import Usage, disk
from regproxy.store.index import DAMAGED, Index, Tables
from regproxy.store.inventory import Inventory
from regproxy.store.migration import migrate
from regproxy.store.names import Names
from regproxy.store.pools import PINNED, totals
from regproxy.store.recovery import Claim, claim, reconcile
from regproxy.store.room import Room
from regproxy.store.rows import read_link
from regproxy.store.upkeep import Upkeep
from regproxy.store.uses import Uses
from regproxy.store.work import Work
from regproxy.store.writer import Reservation, Writer, first_step


class Store(Names):
    """Content and rows of one cache directory. Methods raise OSError when the disk or the index refuses.

    Belongs to the event loop; blocking work runs on its own threads.
    """

    def __init__(
        self,
        claimed: Claim,
        limits: CacheLimits,
        clock: Callable[[], float],
        report: Callable[[Event], None],
    ) -> None:
        self.directory = claimed.directory
        self._claim = claimed
        self._clock = clock
        self._report = report
        super().__init__(Index(self.directory))
        self.inventory = Inventory(self._index)
        self._work = Work()
        self._index.durable = limits.durability == "full"
        self._room = Room(
            self.directory, self._index, self._work, limits, clock=clock, report=report, flush=self._flush
        )
        self._upkeep = Upkeep(self.directory, self._index, self._work, self._drop)
        self._writers: set[Writer] = set()
        self._uses = Uses()
        self._closing = False

    @classmethod
    async def open(
        cls, directory: Path, limits: CacheLimits, clock: Callable[[], float], report: Callable[[Event], None]
    ) -> "Store":
        """Open the directory, or make it, and repair what an unclean stop left.

        Raises OSError when it cannot be used or another process uses it, ValueError when its format is not ours.
        """
        claimed = await asyncio.to_thread(claim, directory)
        store = cls(claimed, limits, clock, report)
        try:
            await store._recover()
        except BaseException:
            await store._let_go(clean=False)
            raise
        return store

    @property
    def limits(self) -> CacheLimits:
        """The policy's `cache { }` block; set it and it counts from the next reservation or pass on."""
        return self._room.account.limits

    @limits.setter
    def limits(self, limits: CacheLimits) -> None:
        self._room.account.limits = limits
        self._index.durable = limits.durability == "full"

    def usage(self) -> Usage:
        """How full the store is."""
        return self._room.account.usage()

    async def measure(self) -> DiskMeasured:
        """The file system as it is now, how long what leaves next was not used, and how much is pinned."""
        status = await self._work.on_disk(lambda: disk(self.directory))
        oldest, pools = await self._index.run(lambda tables: (oldest_use(tables), totals(tables)))
        return DiskMeasured(status.free, status.total, oldest, pools[PINNED].allocated)

    async def content(self, digest: Digest) -> Content | None:
        """The content, when its file is there and whole; a row that lost its file is dropped and reported."""
        return await self._work.unbroken(self._content(digest))

    async def held(self, key: LinkKey) -> tuple[Link, Content] | None:
        """What a registry said of a digest under this name, and its content, in one look-up; None without either."""
        return await self._work.unbroken(self._held(key))

    async def discard(self, digest: Digest) -> None:
        """Remove content that a reader found damaged."""
        await self._work.unbroken(self._discard(digest))

    def touch(self, digest: Digest, keep: Keep = "normal") -> None:
        """Somebody used this content now, by a tier that keeps it so."""
        self._uses.touch(digest, self._clock())
        self._uses.keep(digest, keep)

    def keep(self, digest: Digest, keep: Keep) -> None:
        """A tier keeps this content so; of several the longest counts."""
        self._uses.keep(digest, keep)

    async def purge(self, digest: Digest) -> int:
        """Remove content because the operator says so; the bytes on disk that it took."""
        return await self._work.unbroken(self._discard(digest, "purged"))

    async def reserve(self, size: int) -> Reservation:
        """Promise room for `size` bytes, evicting for it; raises OSError (ENOSPC) when it cannot fit."""
        self._check_open()
        return await self._room.reserve(size)

    async def has_room(self, size: int) -> bool:
        """Whether so many bytes fit without anything leaving for them."""
        return await self._room.fits(size)

    async def writer(self, size: int | None, kind: Kind, algorithm: str = "sha256") -> Writer:
        """Begin a part file; with a known size a full disk shows here, before any byte was answered.

        Raises OSError, and ValueError for an algorithm that cannot be verified.
        """
        self._check_open()
        if not Digest(algorithm, "").verifiable:
            raise ValueError(f"{algorithm} cannot be verified, so it is not stored")
        task = self._work.begin(self._begin(size, kind, algorithm))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_abort_unwanted)
            raise

    async def maintain(self) -> None:
        """One bounded pass: uses written down, what is inactive or too much removed, old rows forgotten."""
        self._check_open()
        await self._flush()
        if math.isfinite(self.limits.inactive):
            before = self._clock() - self.limits.inactive
            await self._room.evict_unused(before)
            await self._upkeep.prune(before)
        await self._room.shrink()
        await self._upkeep.sync()
        await self._upkeep.verify()

    async def close(self) -> None:
        """Finish what is being committed, drop what is not, and leave the directory clean."""
        if self._closing:
            return
        self._closing = True
        await self._work.drain()
        for writer in tuple(self._writers):
            writer.abort()
        clean = False
        try:
            await self._flush()
            while await self._upkeep.sync():
                pass
            clean = True
        finally:
            await self._let_go(clean=clean)

    def _check_open(self) -> None:
        if self._closing:
            raise OSError(errno.EBADF, "the store is closed", str(self.directory))

    async def _recover(self) -> None:
        damage = await self._index.open(check=not self._claim.clean)
        if damage is not None:
            sentence = f"the index was damaged ({damage}) and is kept as {DAMAGED}; content is read again"
            self._report(StoreFailed("open", sentence))
        await self._index.run(lambda tables: migrate(tables, self.directory))
        if damage is not None or not self._claim.clean:
            now = self._clock()
            await self._index.run(lambda tables: reconcile(tables, self.directory, now))
        account = self._room.account
        total = await self._index.run(files.total)
        account.content, account.entries = total.allocated, total.entries
        await self._upkeep.verify()

    async def _content(self, digest: Digest) -> Content | None:
        return self._whole(await self._index.run(lambda tables: files.find(tables, self.directory, digest)))

    async def _held(self, key: LinkKey) -> tuple[Link, Content] | None:
        def work(tables: Tables) -> tuple[Link | None, Content | files.Removed | None]:
            link = read_link(tables, key)
            return link, files.find(tables, self.directory, key.digest) if link is not None else None

        link, found = await self._index.run(work)
        content = self._whole(found)
        return (link, content) if link is not None and content is not None else None

    def _whole(self, found: Content | files.Removed | None) -> Content | None:
        """What a look-up found; what it had to remove is told."""
        if isinstance(found, files.Removed):
            self._room.left((found,), "damaged")
            return None
        return found

    async def _discard(self, digest: Digest, cause: str = "damaged", *, unverified: bool = False) -> int:
        def work(tables: Tables) -> files.Removed | None:
            return files.discard(tables, self.directory, digest, unverified=unverified)

        removed = await self._index.run(work)
        if removed is None:
            return 0
        self._room.left((removed,), cause)
        return removed.allocated

    async def _drop(self, digest: Digest) -> None:
        await self._work.unbroken(self._discard(digest, unverified=True))

    async def _begin(self, size: int | None, kind: Kind, algorithm: str) -> Writer:
        reservation = await self._room.reserve(first_step(self.limits) if size is None else size)
        path = self.directory / files.PARTS / f"{secrets.token_hex(16)}.part"
        try:
            descriptors = await self._work.on_disk(lambda: files.create(path, size or 0))
        except BaseException:
            reservation.release()
            raise
        reservation.backed(os.fstat(descriptors[0]).st_blocks * 512)
        writer = Writer(
            path,
            descriptors,
            size,
            kind,
            reservation,
            algorithm=algorithm,
            publish=self._publish,
            grown=self._room.catch_up,
            closed=self._writers.discard,
        )
        self._writers.add(writer)
        return writer

    async def _publish(self, writer: Writer, digest: Digest) -> Content:
        return await self._work.unbroken(self._commit(writer, digest))

    async def _commit(self, writer: Writer, digest: Digest) -> Content:
        try:
            durability, now = self.limits.durability, self._clock()
            status = await self._work.on_disk(lambda: files.settle(writer.fd, durability))

            def publish(tables: Tables) -> files.Published:
                part = files.Part(writer.path, digest, status, durability)
                return files.publish(tables, self.directory, part, now)

            published = await self._index.run(publish)
        except BaseException:
            with suppress(OSError):
                writer.path.unlink(missing_ok=True)
            raise
        finally:
            writer.close()
        if published.replaced is not None:
            self._room.account.removed((published.replaced,))
        if published.stored:
            self._room.account.added(published.content.allocated)
            again = self._room.departed.returned(digest)
            self._report(EntryStored(str(writer.kind), published.content.size, again))
            self._room.catch_up()
        return published.content

    async def _flush(self) -> None:
        if self._uses:
            uses, self._uses = self._uses, Uses()
            try:
                await self._index.run(lambda tables: files.mark_used(tables, uses))
            except OSError as error:  # uses only order what leaves; a full disk takes none before it left
                self._report(StoreFailed("touch", str(error)))

    async def _let_go(self, *, clean: bool) -> None:
        closed = False
        try:
            await self._index.close()
            closed = True
        finally:
            self._work.finish()
            self._claim.release(clean=clean and closed and self._index.sound)


def _abort_unwanted(task: asyncio.Task[Writer]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().abort()
