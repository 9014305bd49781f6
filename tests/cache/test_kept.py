"""What is stored for a name, as it is told to whoever asks."""

from pathlib import Path

from regproxy.cache.kept import Kept
from regproxy.model.address import Authority
from regproxy.model.oci import Resource, classify
from regproxy.policy.scenario import Gone, Stored
from tests.cache.world import MANIFEST_TYPE, World, told
from tests.lab.answers import Answer

BODY = b'{"schemaVersion":2}'
QUAY = Authority("quay.io", 443)


async def kept(world: World, target: str) -> Kept:
    resource = classify(target)
    assert isinstance(resource, Resource)
    return await world.core.cache.kept(QUAY, resource)


def test_a_tag_is_told_by_its_age_and_its_digest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("latest", BODY)
        assert await kept(world, "/v2/a/b/manifests/latest") == Kept()
        await world.get("/v2/a/b/manifests/latest")
        world.now += 7
        for reference in ("latest", digest):
            expected = Kept(Stored(7.0), digest, MANIFEST_TYPE, len(BODY), here=True)
            assert await kept(world, f"/v2/a/b/manifests/{reference}") == expected

    told(story, tmp_path)


def test_a_tag_that_left_is_gone_and_keeps_what_it_meant(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        digest = world.tag("latest", BODY)
        await world.get("/v2/a/b/manifests/latest")
        world.hostile.on("quay.io", "/v2/a/b/manifests/latest", Answer(404))
        world.now += 301
        await world.get("/v2/a/b/manifests/latest")
        world.now += 5
        found = await kept(world, "/v2/a/b/manifests/latest")
        assert (found.stored, found.digest, found.here) == (Gone(5.0), digest, True)

    told(story, tmp_path)


def test_an_absence_that_is_remembered_is_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        target = "/v2/a/b/manifests/neg1"
        world.hostile.on("quay.io", target, Answer(404))
        await world.get(target)
        world.now += 3
        assert await kept(world, target) == Kept(Gone(3.0))

    told(story, tmp_path)


def test_of_a_repository_that_is_no_longer_public_nothing_is_found(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", BODY)
        await world.get("/v2/a/b/manifests/latest")
        world.hostile.on("quay.io", "/v2/a/b/manifests/latest", Answer(403))
        world.now += 301
        await world.get("/v2/a/b/manifests/latest")
        assert await kept(world, "/v2/a/b/manifests/latest") == Kept()

    told(story, tmp_path)
