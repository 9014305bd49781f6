"""How long a start takes on a large cache: after a clean stop, and after one that was not.

Run it with `python -m benchmarks.opening [ENTRIES] [DIRECTORY]`. It makes an index of so many rows and as many empty
files, below the directory (default: the current one), and removes them at the end.
"""

import asyncio
import hashlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from regproxy.model.entry import CacheLimits, Content, content_path
from regproxy.model.oci import Digest
from regproxy.store.content import Store
from regproxy.store.index import NAME, Tables
from regproxy.store.pools import enter
from regproxy.store.schema import FORMAT

LIMITS = CacheLimits(2**60, min_free_share=0.0)


async def opened(directory: Path) -> Store:
    """The store, ready to answer."""
    return await Store.open(directory, LIMITS, time.time, lambda _: None)


def digests(entries: int) -> list[Digest]:
    """Made-up digests, spread over all folders."""
    return [Digest("sha256", hashlib.sha256(b"%d" % number).hexdigest()) for number in range(entries)]


async def make(directory: Path, names: list[Digest]) -> None:
    """Rows and files."""
    for number in range(256):
        (directory / "blobs" / "sha256" / f"{number:02x}").mkdir(parents=True)
    for name in names:
        (directory / content_path(name)).touch()

    def rows(tables: Tables) -> None:
        with tables.transaction():
            for number, name in enumerate(names):
                enter(tables, Content(name, 0, 0, float(number)), 1)

    (directory / "VERSION").write_text(f"{FORMAT}\n")
    store = await opened(directory / "index")
    await store._index.run(rows)
    await store.close()
    for part in (NAME, "CLEAN"):
        (directory / "index" / part).rename(directory / part)


async def measure(directory: Path) -> tuple[float, float, float]:
    """Seconds to open and to look one thing up, how many of them on the CPU, and seconds to close."""
    start, worked = time.perf_counter(), time.process_time()
    store = await opened(directory)
    await store.content(Digest("sha256", "0" * 64))
    ready, cost = time.perf_counter(), time.process_time() - worked
    await store.close()
    return ready - start, cost, time.perf_counter() - ready


async def main() -> None:
    """Measure and print."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    directory = Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else "."))
    try:
        await make(directory, digests(entries))
        size = (directory / NAME).stat().st_size / 1e6
        print(f"{entries} entries, an index of {size:.0f} MB")
        for stop in ("clean", "clean", "unclean"):
            if stop == "unclean":
                (directory / "CLEAN").unlink()
            ready, cost, closed = await measure(directory)
            print(f"after a {stop} stop: ready in {ready:.2f} s (CPU {cost:.2f} s), closed in {closed:.2f} s")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    asyncio.run(main())
