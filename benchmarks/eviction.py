"""What the two rules of eviction keep: hit ratios of S3-FIFO and LRU on a made-up trace of a registry.

Run it with `python -m benchmarks.eviction [REQUESTS]`. The rows and the choice are the store's own, without files.
The trace: images of Zipf popularity on shared bases, releases that roll out to many nodes at once, runners that start
cold, and once a while a scanner that reads everything. Clients keep what they pulled, as nodes do.
"""

import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from regproxy.model.entry import CacheLimits, Content
from regproxy.model.oci import Digest
from regproxy.store.choosing import choose
from regproxy.store.eviction import settle
from regproxy.store.files import mark_used
from regproxy.store.index import Tables
from regproxy.store.pools import enter, totals
from regproxy.store.rows import Changes, write
from regproxy.store.schema import STATEMENTS
from regproxy.store.uses import Uses

MIB, GIB = 1024**2, 1024**3
IMAGES, BASES, NODES = 2000, 60, 60
FLUSH = 30.0  # seconds between two passes that write uses down
SHARES = (0.01, 0.03, 0.1, 0.3)
RULES: tuple[Literal["lru", "s3fifo"], ...] = ("lru", "s3fifo")


@dataclass(frozen=True, slots=True)
class Blob:
    """One object of the registry."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest and what it refers to."""

    manifest: Blob
    parts: tuple[Blob, ...]


class Registry:
    """Images and their releases; every new one shares the layers of its base."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._made = 0
        self._bases = [tuple(self._blob(self._size()) for _ in range(chance.randint(1, 5))) for _ in range(BASES)]
        self.images = [self._image(chance.randrange(BASES)) for _ in range(IMAGES)]

    def release(self, at: int) -> Image:
        """A new image in the place of an old one."""
        self.images[at] = self._image(at % BASES)
        return self.images[at]

    def _image(self, base: int) -> Image:
        own = tuple(self._blob(self._size()) for _ in range(self._chance.randint(1, 7)))
        config = self._blob(self._chance.randint(1_000, 20_000))
        return Image(self._blob(self._chance.randint(500, 5_000)), (config, *self._bases[base], *own))

    def _blob(self, size: int) -> Blob:
        self._made += 1
        return Blob(Digest("sha256", f"{self._made:064x}"), size)

    def _size(self) -> int:
        """Most layers are small, most bytes are in large ones; at most 3 GiB."""
        return min(int(self._chance.lognormvariate(13.2, 2.6)) + 100, 3 * GIB)


Pull = tuple[float, Image, frozenset[Blob]]


def trace(requests: int, seed: int) -> Iterator[Pull]:
    """Pulls: when, of which image, and which parts the client still lacks."""
    chance = random.Random(seed)  # noqa: S311 -- a benchmark
    registry = Registry(chance)
    weights = [1 / (rank + 1) ** 0.9 for rank in range(IMAGES)]
    nodes: list[set[Blob]] = [set() for _ in range(NODES)]
    now, asked = 0.0, 0
    while asked < requests:
        now += chance.expovariate(1 / 60)
        match chance.random():
            case luck if luck < 0.004:
                release = registry.release(chance.choices(range(IMAGES), weights)[0])
                pulls = [(release, held) for held in chance.sample(nodes, NODES // 2)]
            case luck if luck < 0.0044:
                pulls = [(image, set()) for image in chance.sample(registry.images, IMAGES // 2)]
            case luck if luck < 0.5:
                pulls = [(chance.choices(registry.images, weights)[0], set())]
            case _:
                pulls = [(chance.choices(registry.images, weights)[0], chance.choice(nodes))]
        for image, held in pulls:
            lacking = frozenset(image.parts) - held
            held.update(lacking)
            asked += 1 + len(lacking)
            now += 2
            yield now, image, lacking


@dataclass(slots=True)
class Score:
    """Requests and bytes, and how many of them the cache had; what found no room was passed by."""

    asked: int = 0
    asked_bytes: int = 0
    hits: int = 0
    hit_bytes: int = 0
    passed_by: int = 0


class Cache:
    """The store's rows in memory, and nothing else of it."""

    def __init__(self, limits: CacheLimits) -> None:
        self.score = Score()
        self._limits = limits
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._tables = Tables(self._connection)
        self._touched: dict[Digest, float] = {}
        self._flushed = 0.0
        for statement in STATEMENTS:
            self._tables.change(statement)

    def pull(self, image: Image, lacking: frozenset[Blob], now: float) -> None:
        """Ask for a manifest, and then for what the client lacks."""
        if self._ask(image.manifest, now):
            write(self._tables, Changes(references=tuple((image.manifest.digest, part.digest) for part in image.parts)))
        for blob in image.parts:
            if blob in lacking:
                self._ask(blob, now)
        if now - self._flushed > FLUSH:
            self._flush(now)

    def _ask(self, blob: Blob, now: float) -> bool:
        """Whether the blob came into the cache now."""
        self.score.asked += 1
        self.score.asked_bytes += blob.size
        if self._tables.one("SELECT 1 FROM content WHERE digest = ?", str(blob.digest)):
            self.score.hits += 1
            self.score.hit_bytes += blob.size
            self._touched[blob.digest] = now
            return False
        if blob.size > self._limits.size or not self._make_room(blob.size, now):
            self.score.passed_by += 1
            return False
        enter(self._tables, Content(blob.digest, blob.size, blob.size, now), 1)
        return True

    def _make_room(self, size: int, now: float) -> bool:
        pools = totals(self._tables)
        missing = sum(pool.allocated for pool in pools) + size - self._limits.size
        if missing > 0:
            self._flush(now)
        while missing > 0:
            choice = choose(self._tables, missing, self._limits, now)
            if not choice.looked:
                break
            settle(self._tables, choice)
            missing -= choice.freed
        return missing <= 0

    def _flush(self, now: float) -> None:
        mark_used(self._tables, Uses(self._touched))
        self._touched.clear()
        self._flushed = now

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


def replay(pulls: list[Pull], limits: CacheLimits) -> tuple[Score, float]:
    """Pull everything through a cache; the seconds that this took, too."""
    start = time.perf_counter()
    cache = Cache(limits)
    for now, image, lacking in pulls:
        cache.pull(image, lacking, now)
    cache.close()
    return cache.score, time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    pulls = list(trace(requests, seed=1))
    blobs = {blob for _, image, _ in pulls for blob in (image.manifest, *image.parts)}
    footprint = sum(blob.size for blob in blobs)
    small = sum(blob.size <= MIB for blob in blobs) / len(blobs)
    print(f"{requests} requests in {pulls[-1][0] / 86400:.1f} days for {len(blobs)} objects ({small:.0%} up to 1 MiB)")
    print(f"of {footprint / GIB:.0f} GiB; hit ratios by objects / by bytes, and microseconds for a request")
    for share in SHARES:
        for rule in RULES:
            score, seconds = replay(pulls, CacheLimits(int(footprint * share), evict=rule))
            objects, volume = score.hits / score.asked, score.hit_bytes / score.asked_bytes
            cost = seconds / score.asked * 1e6
            by = f"{score.passed_by} passed by" if score.passed_by else ""
            print(f"cache {share:4.0%}  {rule:7} {objects:.3f} / {volume:.3f}  {cost:5.0f} us {by}")


if __name__ == "__main__":
    main()
