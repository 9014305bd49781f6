"""The admin socket's calls that prefetch images: a job is begun, and asked how far it is."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from regproxy.admin.route import NotHereError, Parameter, Route
from regproxy.cache.images import Images, Node
from regproxy.cache.prefetch import Fetched, Prefetch
from regproxy.model.inventory import TagKey
from regproxy.policy.images import Image, image_name

Query = Mapping[str, str]
Told = Mapping[str, object]
Spawn = Callable[[Coroutine[Any, Any, None]], object]

MAX_JOBS = 1000  # known at once; of those that ended the oldest is forgotten
AT_ONCE = 2
MAX_PLATFORMS = 20

_REF = Parameter("ref", "one tag, such as docker.io/library/redis:7", required=True)
_PLATFORM = Parameter("platform", "a list with commas, such as linux/amd64; all if not given")
_DRY_RUN = Parameter("dry-run", "1: only say what is missing")
_JOB = Parameter("job", "`job` of the answer that began it; all jobs, the latest first, if not given")


@dataclass(slots=True)
class Job:
    """One image on its way; `failure` says why it did not come."""

    key: TagKey
    fetched: Fetched = field(default_factory=Fetched)
    state: str = "waiting"
    failure: str = ""


class Prefetching:
    """Owns the jobs; `spawn` runs one as long as the proxy runs."""

    def __init__(self, images: Images, prefetch: Prefetch, spawn: Spawn) -> None:
        self._images = images
        self._prefetch = prefetch
        self._spawn = spawn
        self._jobs: dict[str, Job] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> tuple[Route, ...]:
        """All calls."""
        return (
            Route("POST", "/prefetch", self.begin, (_REF, _PLATFORM, _DRY_RUN)),
            Route("GET", "/prefetch", self.state, (_JOB,)),
        )

    async def begin(self, query: Query) -> Told:
        """Begin to fetch `ref` for `platform`, a list with commas, or for all."""
        image = self._images.read(query.get("ref", ""))
        if not isinstance(image, Image) or not image.key.tag:
            raise ValueError("`ref` is one tag, such as docker.io/library/redis:7")
        platforms = [one for one in query.get("platform", "").split(",") if one]
        if len(platforms) > MAX_PLATFORMS:
            raise ValueError(f"more than {MAX_PLATFORMS} platforms")
        if query.get("dry-run") == "1":
            return await self._missing(image, platforms)
        self._make_room()
        name, job = secrets.token_hex(8), Job(image.key)
        self._jobs[name] = job
        self._spawn(self._run(job, platforms or None))
        return {"job": name, **_told(job)}

    async def state(self, query: Query) -> Told:
        """How far the job is, or each of them."""
        if not query.get("job"):
            return {"jobs": [{"job": name, **_told(job)} for name, job in reversed(self._jobs.items())]}
        job = self._jobs.get(query.get("job", ""))
        if job is None:
            raise NotHereError("there is no such `job`, or it was forgotten")
        return _told(job)

    async def _missing(self, image: Image, platforms: list[str]) -> Told:
        tree = await self._images.tree(image)
        missing = list(_absent(tree, platforms)) if tree is not None else []
        told = {"image": image_name(image.key), "dry_run": True, "known": tree is not None, "missing": len(missing)}
        return {**told, "bytes": sum(one.descriptor.size for one in missing)}

    async def _run(self, job: Job, platforms: list[str] | None) -> None:
        async with self._turn:
            job.state = "running"
            try:
                await self._prefetch.run(job.key, platforms, job.fetched)
                job.state = "done"
            except* (ValueError, OSError) as errors:
                job.state, job.failure = "failed", str(errors.exceptions[0])

    def _make_room(self) -> None:
        while len(self._jobs) >= MAX_JOBS:
            ended = next((name for name, job in self._jobs.items() if job.state in ("done", "failed")), None)
            if ended is None:
                raise ValueError(f"{MAX_JOBS} images are on their way; wait for some of them")
            del self._jobs[ended]


def _absent(node: Node, platforms: list[str]) -> Iterator[Node]:
    """What of a tree is not on disk, as far as these platforms need it; all of it where there are none."""
    if node.descriptor.platform and platforms and node.descriptor.platform not in platforms:
        return
    if not node.is_here:
        yield node
    for child in node.children:
        yield from _absent(child, platforms)


def _told(job: Job) -> Told:
    came = job.fetched
    told = {"image": image_name(job.key), "state": job.state, "contents": came.contents, "bytes": came.bytes}
    return {**told, "total": came.total, "failure": job.failure}
