"""A whole small world for one story: a registry, its token service, a CDN and an attacker, over TLS."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.address import Authority
from regproxy.model.entry import Challenge
from regproxy.model.message import Fields
from regproxy.model.registry import Registry
from regproxy.upstream.broker import Broker
from regproxy.upstream.client import Client
from regproxy.upstream.helper_answers import Helpers
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.session import Upstream
from regproxy.upstream.tokens import Tokens
from tests.upstream.standin import Events, Remembered, StandIn, Talk, TestAuthority, admission, ask, registry

HERE = Authority("registry.test", 443)
BEARER = Challenge("bearer", "https://auth.test/token", "registry.test")
CHALLENGE = ("WWW-Authenticate", 'Bearer realm="https://auth.test/token",service="registry.test",scope="x"')
RANGE: Fields = (("Accept", "a/b"), ("Range", "bytes=5-"), ("X-Secret", "canary"))


class World:
    """A registry with a token service, a CDN and an attacker; the scripts may be replaced."""

    def __init__(self) -> None:
        self.tokens_issued = 0
        self.valid: set[str] = set()
        self.token_status = 200
        self.realm = CHALLENGE
        self.after_token: Callable[[Talk], Awaitable[None]] = self.bytes

    async def registry(self, talk: Talk) -> None:
        scheme, _, token = (talk.heard.get("authorization") or "").partition(" ")
        if scheme == "Bearer" and token in self.valid:
            await self.after_token(talk)
        else:
            await talk.answer(401, b'{"errors":[]}', self.realm)

    async def auth(self, talk: Talk) -> None:
        self.tokens_issued += 1
        token = f"token-{self.tokens_issued}"
        self.valid.add(token)
        await talk.answer(self.token_status, json.dumps({"token": token}).encode())

    async def bytes(self, talk: Talk) -> None:
        await talk.answer(200, b"the bytes", ("Server", "cdn" if talk.heard.target.startswith("/cdn") else "registry"))

    def redirecting(self, status: int, location: str) -> None:
        async def script(talk: Talk) -> None:
            await talk.answer(status, b"moved", ("Location", location))

        self.after_token = script


@dataclass
class Stage:
    """The world, up and running, and our side of it."""

    world: World
    upstream: Upstream
    challenges: Remembered
    block: Registry
    hosts: dict[str, StandIn]
    events: Events

    def ask(self, target: str = "/v2/a/b/blobs/x", method: str = "GET", fields: Fields = RANGE) -> UpstreamRequest:
        return ask(self.block, method, target, fields, "blob")

    def targets(self, host: str) -> list[str]:
        return [heard.target for heard in self.hosts[host].heard]


def play(story: Callable[[Stage], Awaitable[None]], world: World | None = None, helpers: Path | None = None) -> None:
    """Run a story on a fresh stage, and see that nothing is left over."""

    async def run(authority: TestAuthority) -> None:
        here = world or World()
        context = authority.context("registry.test", "auth.test", "cdn.test", "evil.test")
        scripts = {
            "registry.test": here.registry,
            "auth.test": here.auth,
            "cdn.test": here.bytes,
            "evil.test": here.bytes,
        }
        hosts = {name: StandIn(script, context) for name, script in scripts.items()}
        for stand_in in hosts.values():
            await stand_in.__aenter__()
        events = Events()
        client = Client(events)
        block = registry(*hosts.items(), ca_file=authority.ca_file, token_hosts=("auth.test",))
        challenges = Remembered()
        way = admission(client)
        upstream = Upstream(way, Broker(Tokens(way, time.monotonic), events, time.time, Helpers(helpers)), challenges)
        before = asyncio.all_tasks()
        try:
            await asyncio.wait_for(story(Stage(here, upstream, challenges, block, hosts, events)), 30)
        finally:
            await upstream.close()
            await client.close()
            for stand_in in hosts.values():
                await stand_in.__aexit__()
        assert asyncio.all_tasks() == before

    with TestAuthority() as authority:
        asyncio.run(run(authority))
