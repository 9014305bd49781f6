"""How late a moved tag is under the packaged default policy, on a virtual clock."""

import asyncio
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.policy.load import load
from regproxy.policy.source import Source
from tests.cache.world import World, world
from tests.lab.policies import Block, packaged_tiers, policy

ONE, TWO = b'{"schemaVersion":2,"one":1}', b'{"schemaVersion":2,"two":2}'
HUB = Authority("registry-1.docker.io", 443)


@pytest.mark.parametrize(("tag", "fresh"), [("latest", 300), ("1.27", 300), ("1.2.3", 3600), ("v1.2.3-alpine", 3600)])
def test_a_moved_tag_of_docker_hub_reaches_a_second_client_in_time(tmp_path: Path, tag: str, fresh: int) -> None:
    async def story() -> None:
        async with world(tmp_path) as running:
            _as_docker_hub(running)
            path = f"/v2/library/app/manifests/{tag}"
            running.tag(tag, ONE, "library/app", HUB.host)
            assert (await running.get(path, authority=HUB))[1] == ONE
            running.tag(tag, TWO, "library/app", HUB.host)
            running.now += fresh - 1
            assert (await running.get(path, authority=HUB))[1] == ONE
            running.now += 1
            assert (await running.get(path, authority=HUB))[1] == TWO

    asyncio.run(story())


def test_a_moved_tag_of_another_registry_is_seen_within_half_a_minute(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, tiers=packaged_tiers()) as running:
            path = "/v2/a/b/manifests/main"
            running.tag("main", ONE)
            assert (await running.get(path))[1] == ONE
            running.tag("main", TWO)
            running.now += 30
            assert (await running.get(path))[1] == TWO

    asyncio.run(story())


def _as_docker_hub(running: World) -> None:
    """Let the scripted registry be found under Docker Hub's name; its certificate is made for that as well."""
    block = Block("docker-hub", (HUB.host,), {HUB.host: running.hostile.port}, running.root)
    loaded = load(Source("default.policy", policy(block)), {})
    assert loaded.policy is not None, loaded.diagnostics
    running.policy = loaded.policy
