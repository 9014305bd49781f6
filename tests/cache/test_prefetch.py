"""Images fetched before a client asks."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from regproxy.cache.prefetch import Fetched
from regproxy.model.address import Authority
from regproxy.model.entry import Content
from regproxy.model.event import Outcome
from regproxy.model.inventory import TagKey
from regproxy.model.oci import OCI_INDEX, Digest, parse_digest
from regproxy.model.pull_event import ImageWarmed
from regproxy.model.warm import Warm
from regproxy.store.writer import Writer
from tests.cache.test_purging import LATEST, pull
from tests.cache.world import QUAY, TIERS, World, told
from tests.lab.answers import Answer, blob
from tests.lab.images import sha256

LAYERS = {platform: f"the layer of {platform}".encode() * 100 for platform in ("linux/amd64", "linux/arm64/v8")}
PATH = "/v2/a/b/manifests/latest"
HEAD = 'warm one { images "quay.io/a/b:latest"; every 10m; }'


def put(world: World, note: str = "") -> tuple[str, dict[str, str]]:
    """Put an index for two platforms into the registry; its digest, and those of the platforms' manifests."""
    children, digests = [], {}
    for platform, layer in LAYERS.items():
        data = layer + note.encode()
        world.hostile.on("quay.io", f"/v2/a/b/blobs/{sha256(data)}", blob(data))
        listed = [{"digest": sha256(data), "size": len(data)}]
        manifest = json.dumps({"schemaVersion": 2, "layers": listed}).encode()
        digests[platform] = world.tag(platform.replace("/", "-"), manifest)
        os, architecture, *variant = platform.split("/")
        said = {"os": os, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        children.append({"digest": digests[platform], "size": len(manifest), "platform": said})
    index = json.dumps({"schemaVersion": 2, "manifests": children}).encode()
    return world.tag("latest", index, media_type=OCI_INDEX), digests


def blobs_asked(world: World) -> int:
    return sum("/blobs/" in received.path for received in world.hostile.seen("quay.io", ""))


@pytest.mark.parametrize(
    ("platforms", "contents"),
    [(None, 5), (["linux/amd64"], 3), (["linux/arm64"], 3), (["linux/arm64/v8"], 3), ([], 1)],
)
def test_an_image_is_fetched_whole_for_the_platforms_that_are_wanted(
    platforms: list[str] | None, contents: int, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        put(world)
        for _ in range(2):
            fetched = Fetched()
            await world.core.cache.prefetch.run(LATEST, platforms, fetched)
            assert (fetched.contents, fetched.bytes) == (contents, fetched.total)
        assert blobs_asked(world) == len(range(1, contents, 2)), "each layer once"
        assert (await pull(world))[0] is Outcome.HIT

    told(story, tmp_path)


def test_what_was_fetched_is_found_when_it_is_said_to_be_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Writer.commit

    async def slow(self: Writer, digest: Digest) -> Content:
        await asyncio.sleep(0.1)
        return await commit(self, digest)

    monkeypatch.setattr(Writer, "commit", slow)

    async def story(world: World) -> None:
        put(world)
        await world.core.cache.prefetch.run(LATEST, ["linux/amd64"], Fetched())
        layer = parse_digest(sha256(LAYERS["linux/amd64"]))
        assert await world.core.store.content(layer) is not None

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("answer", "key", "sentence"),
    [
        (Answer(404), LATEST, "404"),
        (Answer(200, body=b"x" * (5 << 20)), LATEST, "is not cached"),
        (None, TagKey(QUAY, "a/b", "passed"), "is not cached"),
        (None, TagKey(QUAY, "a/b", "banned"), "403"),
    ],
)
def test_what_cannot_be_had_is_said(answer: Answer | None, key: TagKey, sentence: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        put(world)
        if answer is not None:
            world.hostile.on("quay.io", PATH, answer)
        with pytest.raises(ValueError, match=sentence):
            await world.core.cache.prefetch.run(key, None, Fetched())

    told(story, tmp_path)


def test_an_image_that_is_not_for_the_platform_that_is_wanted_is_told_of(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        put(world)
        said = r"^a/b:latest is not for linux/amd46: it is for linux/amd64, linux/arm64/v8$"
        with pytest.raises(ValueError, match=said):
            await world.core.cache.prefetch.run(LATEST, ["linux/amd46"], Fetched())
        assert blobs_asked(world) == 0

    told(story, tmp_path)


def test_a_warm_image_is_asked_about_by_free_heads_and_fetched_for_the_platforms_that_clients_pull(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        _, digests = put(world)
        await pull(world)
        await pull(world, f"/v2/a/b/manifests/{digests['linux/amd64']}")
        world.reload(TIERS, HEAD)
        warming = world.core.cache.warming
        await warming.step()
        assert blobs_asked(world) == 1, "the layer of the platform that was pulled"
        before = len(world.asked())
        world.now += 300
        await warming.step()
        assert len(world.asked()) == before, "not due"
        world.now += 301
        await warming.step()
        assert world.asked()[before:] == ["HEAD"]
        new, _ = put(world, "new")
        world.now += 601
        await warming.step()
        assert world.asked(PATH)[-1] == "HEAD", "what moved is fetched by digest"
        events = [event for event in world.events if isinstance(event, ImageWarmed)]
        assert [(event.after, event.contents) for event in events][-1] == (new, 3)
        asked = len(world.asked())
        assert (await pull(world))[0] is Outcome.HIT
        assert len(world.asked()) == asked

    told(story, tmp_path)


def test_outside_its_hours_a_warm_image_is_asked_about_and_not_fetched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        put(world)
        await pull(world)
        put(world, "new")
        world.now = 1_000_080_000.0  # midnight, UTC
        world.reload(TIERS, HEAD.replace("every 10m;", 'every 10m; between "23:00" "00:10";'))
        before = len(world.asked())
        world.now += 601
        await world.core.cache.warming.step()
        assert world.asked()[before:] == ["HEAD"]
        world.now += 86400 - 601
        await world.core.cache.warming.step()
        assert "GET" in world.asked()[before:]

    told(story, tmp_path)


def test_many_warm_images_do_not_hold_the_loop_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        keys = tuple(TagKey(Authority("nobody.example", 443), f"a/b{number}", "1") for number in range(500))
        world.policy = replace(world.policy, warm=(Warm("many", keys, 600.0),))
        await world.core.cache.warming.step()
        begun = time.process_time()
        await world.core.cache.warming.step()
        assert time.process_time() - begun < 1.0, "nothing is due"
        assert len([event for event in world.events if isinstance(event, ImageWarmed)]) == len(keys)

    told(story, tmp_path)


def test_a_warm_image_that_cannot_be_had_is_told_each_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, Answer(404))
        world.reload(TIERS, HEAD)
        for _ in range(2):
            await world.core.cache.warming.step()
            world.now += 601
        failures = [event.failure for event in world.events if isinstance(event, ImageWarmed)]
        assert failures == ["quay.io answered 404"] * 2

    told(story, tmp_path)
