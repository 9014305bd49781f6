"""A tag that moved: it means the new manifest once that is here, and until then what it meant may stand in."""

from pathlib import Path

from regproxy.model.event import Outcome
from regproxy.model.message import field
from tests.cache.world import World, told
from tests.lab.answers import pull_limited

ONE, TWO = b'{"schemaVersion":2,"one":1}', b'{"schemaVersion":2,"two":2}'
TAG = "/v2/a/b/manifests/latest"


def moved(world: World) -> str:
    """The tag means TWO now; the path of its manifest."""
    world.now += 301
    return f"/v2/a/b/manifests/{world.tag('latest', TWO)}"


def test_a_pull_limit_in_the_middle_of_a_move_serves_what_the_tag_meant(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        path = moved(world)
        world.hostile.on("quay.io", path, pull_limited())
        for _ in range(2):
            answer, body = await world.get(TAG)
            assert (answer.labels.outcome, body) == (Outcome.STALE, ONE)
        assert world.asked(path) == ["GET"]
        world.now += 61
        world.tag("latest", TWO)
        answer, body = await world.get(TAG)
        assert (answer.labels.outcome, body) == (Outcome.EXPIRED, TWO)
        assert await world.outcome(TAG) is Outcome.HIT

    told(story, tmp_path)


def test_a_head_tells_of_the_move_and_costs_no_pull(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get(TAG)
        path = moved(world)
        answer, _ = await world.ask("HEAD", TAG)
        assert field(answer.head.fields, "docker-content-digest") == path.rpartition("/")[2]
        assert world.asked(path) == []
        assert (await world.get(path))[1] == TWO
        await world.ask("HEAD", TAG)
        assert await world.outcome(TAG) is Outcome.HIT
        assert world.asked(path) == ["GET"]

    told(story, tmp_path)
