"""Images as the operator sees them."""

from pathlib import Path

import pytest

from regproxy.cache.images import Node
from regproxy.model.address import Authority
from regproxy.model.inventory import TagKey
from regproxy.model.oci import parse_digest
from regproxy.policy.images import Image, image_name
from tests.cache.test_prefetch import put
from tests.cache.test_purging import LATEST, LAYER, NEW, OLD, SHARED, fill, pull, purge
from tests.cache.world import QUAY, TIERS, World, told
from tests.lab.answers import Answer
from tests.lab.images import sha256


def test_tags_are_listed_in_order_a_page_at_a_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for repository, tag in (("b/a", "1"), ("a/b", "2"), ("a/b", "1")):
            world.tag(tag, OLD, repository)
            await pull(world, f"/v2/{repository}/manifests/{tag}")
        images = world.core.cache.images
        pages, after = [], None
        for _ in range(4):
            found, after = await images.listed("", after, 1)
            pages += [(one.tagged.key.repository, one.tagged.key.tag) for one in found]
        assert (pages, after) == ([("a/b", "1"), ("a/b", "2"), ("b/a", "1")], None)

    told(story, tmp_path)


def test_an_image_is_here_for_the_platforms_that_were_pulled_of_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        images = world.core.cache.images
        index, digests = put(world)
        assert await images.here(parse_digest(index)) == frozenset()
        await pull(world)
        assert await images.here(parse_digest(index)) == frozenset()
        await pull(world, f"/v2/a/b/manifests/{digests['linux/arm64/v8']}")
        assert await images.here(parse_digest(index)) == {"linux/arm64/v8"}
        config = b'{"os":"linux","architecture":"amd64"}'
        single = world.tag("single", b'{"config":{"digest":"%s","size":37}}' % sha256(config).encode())
        await pull(world, "/v2/a/b/manifests/single")
        assert await images.here(parse_digest(single)) == frozenset()
        await fill(world, config)
        assert await images.here(parse_digest(single)) == {"linux/amd64"}

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("pattern", "tags"),
    [
        ("quay.io/a/b:1", ["1"]),
        ("quay.io/a/b:*", ["1", "2"]),
        ("**", ["1", "2"]),
        ("**/b:2", ["2"]),
        ("quay.io/*:1", []),
        ("quay.io/x/y:1", []),
    ],
)
def test_a_reference_or_a_pattern_says_which(pattern: str, tags: list[str], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for tag in ("1", "2"):
            world.tag(tag, OLD)
            await pull(world, f"/v2/a/b/manifests/{tag}")
        found, _ = await world.core.cache.images.listed(pattern, None, 10)
        assert [one.tagged.key.tag for one in found] == tags

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("*:1", "begins with no registry"),
        ("quay.io/[a", "not closed"),
        ("nobody.example/a:1", "the policy names no registry nobody.example"),
        ("quay.io/A:1", "is no image reference"),
    ],
)
def test_what_names_nothing_is_said(text: str, sentence: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with pytest.raises(ValueError, match=sentence):
            await world.core.cache.images.listed(text, None, 10)

    told(story, tmp_path)


def test_each_tag_has_the_state_that_the_next_pull_meets(tmp_path: Path) -> None:
    async def state(world: World) -> str:
        [found], _ = await world.core.cache.images.listed("quay.io/a/b:latest", None, 10)
        return found.state

    async def story(world: World) -> None:
        world.tag("latest", OLD)
        await pull(world)
        assert await state(world) == "fresh"
        world.reload("tier all { match any; pass; }")
        assert await state(world) == "passed"
        world.reload(TIERS)
        world.now += 301
        assert await state(world) == "stale"
        await pull(world)
        world.now += 1
        await purge(world, "quay.io/a/b:latest", "expire")
        assert await state(world) == "expired"
        world.hostile.on("quay.io", "/v2/a/b/manifests/latest", Answer(404))
        await pull(world)
        assert await state(world) == "gone"
        await world.core.cache.purging.restore(LATEST, None)
        assert await state(world) == "held"

    told(story, tmp_path)


def test_a_tree_shows_what_is_here_and_what_is_missing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        platform = '{"os":"linux","architecture":"arm64"}'
        child = f'{{"digest":"{sha256(OLD)}","size":{len(OLD)},"platform":{platform}}}'
        index = f'{{"schemaVersion":2,"manifests":[{child},{{"digest":"{sha256(NEW)}"}}]}}'.encode()
        world.tag("1", OLD)
        world.tag("latest", index)
        await pull(world)
        await pull(world, f"/v2/a/b/manifests/{sha256(OLD)}")
        await fill(world, LAYER)
        tree = await _tree(world, "quay.io/a/b")
        assert tree is not None
        assert _told(tree) == [
            (0, sha256(index), "", True),
            (1, sha256(OLD), "linux/arm64", True),
            (2, sha256(LAYER), "", True),
            (2, sha256(SHARED), "", False),
            (1, sha256(NEW), "", False),
        ]
        assert await _tree(world, "quay.io/a/b:none") is None
        assert await _tree(world, f"quay.io/a/b@{sha256(NEW)}") is None

    told(story, tmp_path)


async def _tree(world: World, text: str) -> Node | None:
    image = world.core.cache.images.read(text)
    assert isinstance(image, Image)
    return await world.core.cache.images.tree(image)


def _told(node: Node, depth: int = 0) -> list[tuple[int, str, str, bool]]:
    found = [(depth, str(node.descriptor.digest), node.descriptor.platform, node.is_here)]
    return found + [one for child in node.children for one in _told(child, depth + 1)]


def test_a_name_reads_as_people_write_it() -> None:
    assert image_name(TagKey(QUAY, "a/b", "1")) == "quay.io/a/b:1"
    hub = Authority("registry-1.docker.io", 443)
    assert image_name(TagKey(hub, "library/redis", "7")) == "docker.io/library/redis:7"
