"""A process of its own that stores, and dies by SIGKILL at a given call.

`python -m tests.store.dying DIRECTORY MODULE:CALL WHEN`; WHEN is `before` or `after` the first such call once there is
something to lose. Prints `survived` when nothing killed it.
"""

import asyncio
import importlib
import os
import signal
import sys
from pathlib import Path

from regproxy.model.address import Authority
from regproxy.model.entry import Binding, BindingKey
from regproxy.model.oci import Kind
from regproxy.store.rows import Changes
from tests.store.opening import KIB, digest_of, limits, opened, put

FIRST, SECOND = b"first" * 40 * KIB, b"second" * 40 * KIB
KEY = BindingKey(Authority("registry.example", 443), "app", "latest")
MEANING = Binding(digest_of(FIRST), "application/vnd.oci.image.manifest.v1+json", len(FIRST), (), 1e6, 1e6)


def arm(place: str, when: str) -> None:
    """Replace one function by one that kills this process."""
    module_name, _, path = place.partition(":")
    owner = importlib.import_module(module_name)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    real = getattr(owner, name)

    def deadly(*arguments: object, **named: object) -> object:
        if when == "after":
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    setattr(owner, name, deadly)


async def story(directory: Path, place: str, when: str) -> None:
    """Store one body and its meaning for good, then die somewhere while a second one replaces the first."""
    async with opened(directory, limits(1000 * KIB)) as store:
        await put(store, FIRST)
        await store.record(Changes(bindings=((KEY, MEANING),)))
        writer = await store.writer(None, Kind.BLOB)
        writer.write(SECOND[: len(SECOND) // 2])
        arm(place, when)
        writer.write(SECOND[len(SECOND) // 2 :])
        await writer.commit(digest_of(SECOND))
        store.limits = limits(300 * KIB)
        await store.maintain()
    print("survived")


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
