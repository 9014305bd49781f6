"""A process of its own that stores and evicts until somebody kills it: `python -m tests.store.toiling DIRECTORY SEED`.

Prints the digest of each piece of content once it is stored, ten of them at a time on their way.
"""

import asyncio
import random
import sys
from pathlib import Path

from regproxy.model.oci import Kind
from regproxy.store.content import Store
from tests.store.opening import KIB, MIB, digest_of, limits, opened

LIMITS = limits(2 * MIB)


async def toil(store: Store, chance: random.Random) -> None:
    """Store bodies of all sizes, many of them known, some announced, some cut short."""
    while True:
        body = chance.randbytes(8) * chance.randrange(1, 16 * KIB)
        writer = await store.writer(len(body) if chance.random() < 0.5 else None, Kind.BLOB)
        for at in range(0, len(body), 16 * KIB):
            writer.write(body[at : at + 16 * KIB])
            await asyncio.sleep(0)
        if chance.random() < 0.1:
            writer.abort()
        else:
            print((await writer.commit(digest_of(body))).digest, flush=True)


async def story(directory: Path, seed: int) -> None:
    """Ten at a time."""
    async with opened(directory, LIMITS) as store:
        await asyncio.gather(*(toil(store, random.Random(seed * 10 + number)) for number in range(10)))


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1]), int(sys.argv[2])))
