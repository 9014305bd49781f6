"""A core with a virtual clock in front of a scripted registry: what the cache's stories are told with."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regproxy.app.core import Core
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Filling, Reply, RequestBody, Stored, Streaming
from regproxy.model.entry import content_path
from regproxy.model.event import Event, Outcome
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.settings.files import PolicyFiles
from regproxy.tls.seal import Seal
from regproxy.upstream.request import Limits
from tests.lab.answers import Answer as Scripted
from tests.lab.answers import manifest
from tests.lab.certificates import Pki
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import Block, policy

QUAY = Authority("quay.io", 443)
GHCR = Authority("ghcr.io", 443)
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SEAL = Seal(bytes(32))
ANONYMOUS = ("Authorization", "Bearer regproxy-anonymous.v1")


@dataclass(slots=True)
class World:
    """The core, its upstream and its time."""

    core: Core
    hostile: Hostile
    directory: Path
    events: list[Event]
    policy: Policy
    now: float = 1_000_000.0
    limits: Limits | None = None
    root: Path | None = None
    blocks: tuple[Block, ...] = ()

    async def ask(
        self,
        method: str,
        target: str,
        *fields: tuple[str, str],
        authority: Authority = QUAY,
        body: RequestBody | None = None,
        client: str = "10.9.8.7",
    ) -> tuple[Answer, bytes]:
        """Ask the core and read the whole body."""
        ask = Ask(authority, "https", method, target, fields, client, body)
        answer = await self.core.cache.answer(ask)
        return answer, await self.read(answer)

    async def get(
        self, target: str, *fields: tuple[str, str], authority: Authority = QUAY, client: str = "10.9.8.7"
    ) -> tuple[Answer, bytes]:
        """A GET."""
        return await self.ask("GET", target, *fields, authority=authority, client=client)

    async def outcome(self, target: str, method: str = "GET", authority: Authority = QUAY) -> Outcome:
        """How a request was answered."""
        answer, _ = await self.ask(method, target, authority=authority)
        return answer.labels.outcome

    async def read(self, answer: Answer) -> bytes:
        """The body of an answer, as an edge would read it; what the answer owns is closed."""
        match answer:
            case Stored(digest=digest):
                return await asyncio.to_thread((self.directory / content_path(digest)).read_bytes)
            case Reply(body=body):
                return body
            case Streaming(fd=fd, ending=ending):
                with socket.socket(fileno=fd) as stream:
                    stream.setblocking(False)
                    data = bytearray()
                    while chunk := await asyncio.get_running_loop().sock_recv(stream, 1 << 16):
                        data += chunk
                    await ending.wait()
                    return bytes(data)
            case Filling(fd=fd, progress=progress):
                try:
                    have = 0
                    while (more := await progress.beyond(have)) > have:
                        have = more
                        if have == answer.size:
                            break
                    return os.pread(fd, have, 0)
                finally:
                    progress.leave()
                    os.close(fd)

    async def restart(self) -> None:
        """Close the core and open another on the same directory."""
        await self.core.close()
        self.core = await Core.open(
            self.directory,
            lambda: self.policy,
            self.events.append,
            frozenset(),
            lambda: SEAL,
            lambda: self.now,
            self.limits,
        )

    def reload(self, tiers: str, head: str = "") -> None:
        """Another policy runs from now on, over the same registries."""
        self.policy = _loaded(self.blocks, tiers, head)
        self.core.follow(self.policy, {})

    def tag(
        self,
        name: str,
        data: bytes,
        repository: str = "a/b",
        host: str = "quay.io",
        media_type: str = MANIFEST_TYPE,
    ) -> str:
        """Let the registry answer a tag and its digest with this manifest."""
        digest = sha256(data)
        for reference in (name, digest):
            path = f"/v2/{repository}/manifests/{reference}"
            self.hostile.on(host, path, manifest(data, media_type, digest))
        return digest

    def asked(self, path: str = "", host: str = "quay.io") -> list[str]:
        """The methods with which the registry was asked."""
        return [received.method for received in self.hostile.seen(host, path)]


TIERS = """
defaults { revalidate head within 2s; stale if-error 7d on $outage; }
tier by-digest { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier zero { match kind is manifest and tag like "zero*"; fresh 0s; }
tier negative { match kind is manifest and tag like "neg*"; fresh 1m; negative 404 for 10s; }
tier etag { match kind is manifest and tag like "etag*"; fresh 1m; revalidate etag; }
tier full { match kind is manifest and tag like "full*"; fresh 1m; revalidate full; }
tier swr { match kind is manifest and tag like "swr*"; fresh 1m; stale while-revalidate 1h; }
tier banned { match kind is manifest and tag is "banned"; deny 403 "pin a digest"; }
tier passing { match kind is manifest and tag is "passed"; pass; }
tier tags { match kind is manifest; fresh 5m; }
tier lists { match kind in [tags, referrers]; fresh 30s; stale if-error 1h on $outage; }
tier rest { match any; pass; }
"""


@asynccontextmanager
async def world(
    directory: Path, tiers: str = TIERS, head: str = "", limits: Limits | None = None, more: tuple[str, ...] = ()
) -> AsyncIterator[World]:
    """A world whose registry answers nothing but `/v2/` yet."""
    pki = Pki(directory / "pki")
    with Hostile(pki.leaf("quay.io", "ghcr.io", "cdn.quay.io", "registry-1.docker.io")) as hostile:
        ports = {"quay.io": hostile.port, "cdn.quay.io": hostile.port}
        quay = Block("quay", ("quay.io",), ports, pki.root, redirect_hosts=("cdn.quay.io",), more=more)
        ghcr = Block("ghcr", ("ghcr.io",), {"ghcr.io": hostile.port}, pki.root)
        active = _loaded((quay, ghcr), tiers, head)
        for host in ("quay.io", "ghcr.io"):
            hostile.on(host, "/v2/", Scripted(200, body=b"{}"))
        async with _running(directory, hostile, active, limits) as running:
            running.root, running.blocks = pki.root, (quay, ghcr)
            yield running


def _loaded(blocks: tuple[Block, ...], tiers: str, head: str) -> Policy:
    text = policy(*blocks, tiers=tiers, head=head)
    loaded = load(Source("test.policy", text), {}, PolicyFiles(Path("test.policy")))
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


@asynccontextmanager
async def _running(directory: Path, hostile: Hostile, active: Policy, limits: Limits | None) -> AsyncIterator[World]:
    events: list[Event] = []
    holder: list[World] = []

    def clock() -> float:
        return holder[0].now if holder else 1_000_000.0

    def snapshot() -> Policy:
        return holder[0].policy if holder else active

    core = await Core.open(directory / "cache", snapshot, events.append, frozenset(), lambda: SEAL, clock, limits)
    holder.append(World(core, hostile, directory / "cache", events, active, limits=limits))
    try:
        yield holder[0]
    finally:
        await holder[0].core.close()


def told(
    story: Callable[[World], Coroutine[Any, Any, None]],
    directory: Path,
    tiers: str = TIERS,
    more: tuple[str, ...] = (),
    head: str = "",
) -> None:
    """Run a story in a world of its own; `more` stands in the block of quay.io, `head` before all blocks."""

    async def run() -> None:
        async with world(directory, tiers, head, more=more) as running:
            await story(running)

    asyncio.run(run())
