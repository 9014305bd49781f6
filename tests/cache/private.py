"""A core before a registry with private repositories, and clients that log in as real ones do."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from regproxy.model.answer import Answer
from tests.cache.world import QUAY, World, world
from tests.lab.vault import Vault

TOKEN = "/v2/_regproxy/token"
PRIVATE, PUBLIC, OTHER = "team/private", "team/public", "team/other"
SECRET, OPEN, FOREIGN = b'{"schemaVersion":2,"secret":1}', b'{"schemaVersion":2,"open":1}', b'{"schemaVersion":2,"x":1}'
LAYER = b"private layer " * 10_000
TIERS = """
defaults { stale if-error 7d on $outage; }
tier by-digest { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier moving { match kind is manifest and tag is "moving"; fresh 0s; }
tier tags { match kind is manifest; fresh 2h; }
tier lists { match kind in [tags, referrers]; fresh 2h; }
tier rest { match any; pass; }
"""


@dataclass(slots=True)
class Stage:
    """The world, its registry, and who is who."""

    world: World
    vault: Vault
    alice: tuple[str, str]
    bob: tuple[str, str]

    async def login(self, login: tuple[str, str], repository: str = PRIVATE) -> tuple[Answer, tuple[str, str]]:
        """Ask for a token; the answer, and the field that carries what came."""
        answer, body = await self.world.get(f"{TOKEN}?scope=repository:{repository}:pull&service=quay.io", login)
        token = json.loads(body).get("token", "")
        return answer, ("Authorization", f"Bearer {token}")

    async def get(
        self, login: tuple[str, str] | None, path: str, method: str = "GET", *fields: tuple[str, str]
    ) -> tuple[Answer, bytes]:
        """One request as a client makes it: with a new token each time, where the registry has tokens."""
        if login is not None and self.vault.scheme == "bearer":
            repository = "/".join(path.split("/")[2:4])
            answer, bearer = await self.login(login, repository)
            if answer.head.status != 200:
                return answer, b""
            login = bearer
        return await self.world.ask(method, path, *([login] if login is not None else []), *fields)

    async def pull(self, login: tuple[str, str] | None, reference: str = "1.0", repository: str = PRIVATE) -> int:
        """The status of the manifest."""
        return (await self.get(login, f"/v2/{repository}/manifests/{reference}"))[0].head.status


def on_stage(
    story: Callable[[Stage], Coroutine[Any, Any, None]],
    directory: Path,
    *,
    scheme: Literal["bearer", "basic"] = "bearer",
    hides: bool = False,
    tiers: str = TIERS,
    more: tuple[str, ...] = (),
) -> None:
    """Run a story; Alice reads the private repository, Bob only the other one, anyone the public one."""

    async def run() -> None:
        async with world(directory, tiers, more=more) as running:
            vault = Vault("quay.io", scheme, hides)
            alice = vault.user("alice", "wonderland", PRIVATE, OTHER)
            bob = vault.user("bob", "builder", OTHER)
            vault.readers[PUBLIC] = {""}
            vault.push(PRIVATE, "1.0", SECRET)
            vault.push(PUBLIC, "1.0", OPEN)
            vault.push(OTHER, "1.0", FOREIGN)
            vault.layer(PRIVATE, LAYER)
            vault.serve(running.hostile)
            await story(Stage(running, vault, alice, bob))

    asyncio.run(run())


__all__ = ["QUAY"]
