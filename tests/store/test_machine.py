"""The store against a plain model, by chance: what was committed is whole or gone, what was not is never seen.

Bytes, accounts and names agree after every step, whatever was evicted, refused by the disk, or cut off by a kill.
"""

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from regproxy.model.entry import content_path
from regproxy.model.oci import Kind
from regproxy.store.content import Store
from regproxy.store.index import Tables
from regproxy.store.pools import totals
from regproxy.store.rows import Changes
from regproxy.store.writer import Writer
from tests.store.opening import KIB, MIB, Watch, digest_of, limits, on_disk, read, tree

T = TypeVar("T")

# Small objects, and layers beyond 1 MiB; together they are larger than the cache.
BODIES = tuple(
    bytes([number + 1]) * size
    for number, size in enumerate([1, 4096, 100 * KIB, 700 * KIB, MIB, MIB + 1, MIB + 300 * KIB, 2 * MIB])
)
bodies = st.integers(0, len(BODIES) - 1)
layers = st.integers(4, len(BODIES) - 1)
SIZE = 4 * MIB
REFUSALS: dict[str, tuple[str, str]] = {
    "allocate": ("os", "posix_fallocate"),
    "write": ("os", "pwritev"),
    "sync": ("os", "fdatasync"),
    "mode": ("os", "fchmod"),
}


class Machine(RuleBasedStateMachine):
    """`committed` is what was ever stored; the store may have lost any of it, and must never have anything else."""

    writers = Bundle("writers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="regproxy-store-"))
        self.directory = self.root / "0"
        self.watch = Watch()
        self.limits = limits(SIZE)
        self.committed: set[int] = set()
        self.open: list[Writer] = []
        self.lives = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def _write(self, writer: Writer, chunk: bytes) -> None:
        """Write on the loop, and wait for the room that is made behind its back."""
        writer.write(chunk)
        await self.store._work.drain()

    def _start(self) -> None:
        self.store = self.run(Store.open(self.directory, self.limits, self.watch, self.watch.events.append))

    @initialize()
    def start(self) -> None:
        self._start()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.root)

    @rule(some=st.lists(layers, min_size=2, max_size=6))
    def fill(self, some: list[int]) -> None:
        """Layers come one after the other, more than fit."""
        for body in some:
            self._store(body, nullcontext)

    @rule(target=writers, body=bodies, announced=st.booleans())
    def begin(self, body: int, announced: bool) -> tuple[Writer, int] | None:
        self.watch.now += 1
        try:
            writer = self.run(self.store.writer(len(BODIES[body]) if announced else None, Kind.BLOB))
            self.open.append(writer)
            self.run(self._write(writer, BODIES[body][: len(BODIES[body]) // 2]))
        except OSError as error:
            assert error.errno == errno.ENOSPC
            return None
        return writer, body

    @rule(writer=consumes(writers), wrong=st.booleans())
    def finish(self, writer: tuple[Writer, int] | None, wrong: bool) -> None:
        """The other half comes, or something else; only the right bytes become content."""
        if writer is None or not writer[0].open:
            return
        half = len(BODIES[writer[1]]) // 2
        rest = BODIES[writer[1]][half:]
        try:
            self.run(self._write(writer[0], bytes(len(rest)) if wrong else rest))
            self.run(writer[0].commit(digest_of(BODIES[writer[1]])))
        except ValueError:
            assert wrong
        except OSError as error:
            assert error.errno == errno.ENOSPC
            writer[0].abort()
        else:
            assert not wrong
            self.committed.add(writer[1])
            assert self.run(self.store.content(digest_of(BODIES[writer[1]]))) is not None

    @rule(writer=consumes(writers))
    def abort(self, writer: tuple[Writer, int] | None) -> None:
        if writer is not None:
            writer[0].abort()

    @rule(body=bodies, place=st.sampled_from(sorted(REFUSALS)), number=st.sampled_from([errno.ENOSPC, errno.EIO]))
    def fail(self, body: int, place: str, number: int) -> None:
        """The disk refuses at one step: nothing of the body stays, and what was there is there."""

        def refuse(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        self._store(body, lambda: mock.patch(".".join(REFUSALS[place]), refuse))

    @rule(body=bodies, after=st.integers(0, 3))
    def fail_in_the_index(self, body: int, after: int) -> None:
        left = [after]
        real = Tables.change

        def change(tables: Tables, sql: str, *values: str | float | None) -> int:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(tables, sql, *values)

        self._store(body, lambda: mock.patch.object(Tables, "change", change))

    def _store(self, body: int, refusing: Callable[[], Any]) -> None:
        self.watch.now += 1
        writer = None
        with refusing():
            try:
                writer = self.run(self.store.writer(len(BODIES[body]), Kind.BLOB))
                self.run(self._write(writer, BODIES[body]))
                self.run(writer.commit(digest_of(BODIES[body])))
            except OSError:
                if writer is not None:
                    writer.abort()
            else:
                self.committed.add(body)

    @rule(body=bodies, keep=st.sampled_from(["normal", "briefly", "pinned"]))
    def use(self, body: int, keep: Any) -> None:
        self.watch.now += 1
        self.store.touch(digest_of(BODIES[body]), keep)

    @rule(manifest=bodies, child=bodies)
    def refer(self, manifest: int, child: int) -> None:
        self.run(self.store.record(Changes(references=((digest_of(BODIES[manifest]), digest_of(BODIES[child])),))))

    @rule(seconds=st.sampled_from([1.0, 700.0, 90_000.0]))
    def maintain(self, seconds: float) -> None:
        self.watch.now += seconds
        self.run(self.store.maintain())

    @rule(
        size=st.sampled_from([2 * MIB, SIZE]),
        evict=st.sampled_from(["lru", "s3fifo"]),
        durability=st.sampled_from(["full", "data", "none"]),
    )
    def reload(self, size: int, evict: Any, durability: Any) -> None:
        self.limits = self.store.limits = limits(size, evict=evict, durability=durability)

    @rule(body=bodies)
    def discard(self, body: int) -> None:
        self.run(self.store.discard(digest_of(BODIES[body])))
        self.committed.discard(body)

    @rule()
    def reopen(self) -> None:
        held = self._names()
        self.run(self.store.close())
        self.open.clear()
        self._start()
        assert self._names() == held

    @rule()
    def kill(self) -> None:
        """What lies in the directory this moment is all that the next process finds."""
        self.lives += 1
        after = self.root / str(self.lives)
        shutil.copytree(self.directory, after, ignore=shutil.ignore_patterns("LOCK"))
        self.run(self.store.close())
        self.open.clear()
        self.directory = after
        self._start()
        assert list((after / "tmp").iterdir()) == []

    def _names(self) -> set[str]:
        return {name for name in tree(self.directory) if name.startswith("blobs/")}

    @invariant()
    def what_is_visible_was_committed_and_is_whole(self) -> None:
        if not hasattr(self, "store"):
            return
        known = {content_path(digest_of(BODIES[body])) for body in self.committed}
        assert self._names() <= known
        # A row whose file left while the index refused to write is found out here, at look-up.
        for number, body in enumerate(BODIES):
            if self.run(self.store.content(digest_of(body))) is not None:
                assert number in self.committed
                assert read(self.store, digest_of(body)) == body
        self._the_account_is_the_disk()

    def _the_account_is_the_disk(self) -> None:
        usage = self.store.usage()
        by_pool = self.run(self.store._index.run(totals))
        assert usage.content == on_disk(self.directory) == sum(pool.allocated for pool in by_pool)
        assert usage.entries == len(self._names()) == sum(pool.entries for pool in by_pool)
        assert usage.reserved == sum(writer.reservation.size for writer in self.open if writer.open)


def test_the_store_agrees_with_its_model(soak: float, seed: int) -> None:
    state = settings(
        max_examples=round(100 * soak),
        stateful_step_count=30,
        deadline=None,
        derandomize=seed == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=state)
