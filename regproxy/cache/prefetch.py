"""Fetching images whole before a client asks: manifests, configs and layers, by the way that every request takes."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from regproxy.cache.blobs import Blobs
from regproxy.cache.images import Images
from regproxy.cache.lookup import ACCEPT_MANIFESTS, Engines
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, BrokenBody, Filling, Reply, Stored, Streaming
from regproxy.model.entry import LinkKey, content_path
from regproxy.model.inventory import TagKey
from regproxy.model.manifest import Descriptor, descriptors
from regproxy.model.oci import MAX_MANIFEST, Kind
from regproxy.model.registry import Registry

AT_ONCE = 3  # layers of one image, as clients fetch them
MAX_CONTENTS = 5000  # of one image
CLIENT = ""  # nobody: no rule for clients holds


@dataclass(slots=True)
class Fetched:
    """How far one image came: contents, bytes that are here, and bytes that its manifests announce."""

    contents: int = 0
    bytes: int = 0
    total: int = 0


class Prefetch:
    """Asks like a client, and leaves the bytes where they are."""

    def __init__(
        self, engines: Engines, images: Images, blobs: Blobs, answer: Callable[[Ask], Awaitable[Answer]]
    ) -> None:
        self._engines = engines
        self._images = images
        self._blobs = blobs
        self._answer = answer

    async def run(self, key: TagKey, platforms: Iterable[str] | None, fetched: Fetched) -> None:
        """Fetch an image for these platforms, None: for all; raises ValueError, a sentence, when it cannot be had."""
        wanted = None if platforms is None else frozenset(platforms)
        listed = descriptors(await self._manifest(key, key.tag, fetched))
        offered = [one for one in listed if one.role == "manifest"]
        manifests = [one for one in offered if _is_wanted(one, wanted)]
        if wanted and offered and not manifests:
            there = ", ".join(sorted({one.platform for one in offered if one.platform})) or "none that it names"
            raise ValueError(f"{key.repository}:{key.tag} is not for {', '.join(sorted(wanted))}: it is for {there}")
        for manifest in manifests:
            listed = (*listed, *descriptors(await self._manifest(key, str(manifest.digest), fetched)))
        blobs = tuple({one.digest: one for one in listed if one.role != "manifest"}.values())
        if len(blobs) > MAX_CONTENTS:
            raise ValueError(f"{key.repository}:{key.tag} has more than {MAX_CONTENTS} layers")
        fetched.total = fetched.bytes + sum(blob.size for blob in blobs)
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(blob: Descriptor) -> None:
            async with turn:
                await self._read(key, f"/v2/{key.repository}/blobs/{blob.digest}", fetched)
                await self._blobs.settled(LinkKey(key.authority, key.repository, Kind.BLOB, blob.digest))

        async with asyncio.TaskGroup() as group:
            for blob in blobs:
                group.create_task(one(blob))

    async def _manifest(self, key: TagKey, reference: str, fetched: Fetched) -> bytes:
        target = f"/v2/{key.repository}/manifests/{reference}"
        answer = await self._read(key, target, fetched)
        match answer:
            case Reply(body=body):
                return body
            case Stored(digest=digest, size=size) if size <= MAX_MANIFEST:
                path = self._engines.store.directory / content_path(digest)
                return await asyncio.to_thread(path.read_bytes)
            case _:
                raise ValueError(f"{target} is too large for a manifest")

    async def _read(self, key: TagKey, target: str, fetched: Fetched) -> Answer:
        """Ask, and wait until the body is in the cache; raises ValueError."""
        registry = self._images.registry(key)
        if registry is None:
            raise ValueError(f"the policy names no registry {key.authority.name}")
        answer = await self._answer(_ask(key, registry, target))
        await arrived(answer, key.authority, target, fetched)
        return answer


def _ask(key: TagKey, registry: Registry, target: str) -> Ask:
    return Ask(key.authority, registry.scheme, "GET", target, ACCEPT_MANIFESTS, CLIENT, ours=True)


async def arrived(
    answer: Answer, authority: Authority, target: str, fetched: Fetched, goes_on: Callable[[], bool] = lambda: True
) -> None:
    """Wait until the body of an answer is in the cache, and as long as `goes_on`; raises ValueError, a sentence."""
    match answer:
        case Streaming(fd=fd):
            os.close(fd)
            raise ValueError(f"{target} is not cached: the policy passes it on, or it cannot be stored")
        case Filling():
            await _filled(answer, fetched, goes_on)
        case Stored(size=size):
            fetched.bytes += size
        case Reply(head=head, body=body):
            if head.status != 200:
                raise ValueError(f"{authority.name} {target}: {head.status} {head.reason or ''}".rstrip())
            fetched.bytes += len(body)
        case _:
            assert_never(answer)
    fetched.contents += 1


async def _filled(answer: Filling, fetched: Fetched, goes_on: Callable[[], bool]) -> None:
    """Wait until the body is whole; raises ValueError when it breaks, or is given up."""
    have = 0
    try:
        while (more := await answer.progress.beyond(have)) > have:
            fetched.bytes += more - have
            have = more
            if have == answer.size:
                break
            if not goes_on():
                raise ValueError("given up: clients fetch from this registry")
    except BrokenBody as error:
        raise ValueError(str(error)) from error
    finally:
        answer.progress.leave()
        os.close(answer.fd)


def _is_wanted(manifest: Descriptor, platforms: frozenset[str] | None) -> bool:
    """Whether it is for one of the platforms; `linux/arm64` stands for all its variants."""
    if platforms is None:
        return True
    base = "/".join(manifest.platform.split("/")[:2])
    return manifest.platform in platforms or base in platforms
