"""What an edge may repeat: fresh and public answers, to whom the policy allows, until the store knows better."""

from pathlib import Path

import pytest

from regproxy.model.answer import Audience, Forget, Reply, Stored
from regproxy.model.event import Outcome
from tests.cache.world import ANONYMOUS, QUAY, TIERS, World, told
from tests.lab.answers import Answer

ONE, TWO = b'{"schemaVersion":2,"one":1}', b'{"schemaVersion":2,"two":2}'
NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("tag", "later", "outcome", "until"),
    [
        ("latest", 0, Outcome.HIT, NOW + 300),
        ("latest", 100, Outcome.HIT, NOW + 300),
        ("latest", 301, Outcome.REVALIDATED, NOW + 301 + 300),
        ("zero", 0, Outcome.REVALIDATED, 0.0),
        ("swr", 61, Outcome.SWR, 0.0),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_tag_may_be_repeated_to_everyone_while_it_is_fresh(
    tag: str, later: float, outcome: Outcome, until: float, method: str, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        world.tag(tag, ONE)
        path = f"/v2/a/b/manifests/{tag}"
        first, _ = await world.get(path)
        assert isinstance(first, Stored | Reply)
        assert first.until == 0.0, "what has just come is asked for once more"
        world.now += later
        answer, _ = await world.ask(method, path, ANONYMOUS)
        assert isinstance(answer, Stored | Reply)
        assert answer.labels.outcome is outcome
        assert (answer.until, answer.audience) == (until, Audience.EVERYONE)

    told(story, tmp_path)


def test_what_stands_in_during_an_outage_is_not_repeated(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        await world.get("/v2/a/b/manifests/latest")
        world.hostile.on("quay.io", "/v2/a/b/manifests/latest", Answer(503))
        world.now += 301
        answer, _ = await world.get("/v2/a/b/manifests/latest")
        assert isinstance(answer, Stored)
        assert (answer.labels.outcome, answer.until) == (Outcome.STALE, 0.0)

    told(story, tmp_path)


def test_content_by_digest_may_be_repeated_until_its_readers_are_asked_about_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = f"/v2/a/b/manifests/{world.tag('latest', ONE)}"
        await world.get(path)
        answer, _ = await world.get(path)
        assert isinstance(answer, Stored)
        assert answer.until == world.now + 3600

    told(story, tmp_path)


def test_where_the_policy_looks_at_clients_an_answer_is_for_its_caller_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("latest", ONE)
        for _ in range(2):
            answer, _ = await world.get("/v2/a/b/manifests/latest")
        assert isinstance(answer, Stored)
        assert answer.audience is Audience.CALLER

    inside = 'tier strangers { match kind is manifest and client in "10.66.0.0/16"; deny 403 "not you"; }\n'
    told(story, tmp_path, TIERS.replace("tier by-digest", inside + "tier by-digest", 1))


@pytest.mark.parametrize(
    ("moves", "forgotten"),
    [
        ("nothing", []),
        ("the tag", [Forget(QUAY, "a/b")]),
        ("it is gone", [Forget(QUAY, "a/b")]),
        ("it is private", [Forget(QUAY, "a/b")]),
    ],
)
def test_an_edge_forgets_a_repository_whose_answers_changed(
    moves: str, forgotten: list[Forget], tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/manifests/latest"
        world.tag("latest", ONE)
        await world.get(path)
        seen: list[Forget] = []
        world.core.cache.watch(seen.append)
        match moves:
            case "the tag":
                world.tag("latest", TWO)
            case "it is gone":
                world.hostile.on("quay.io", path, Answer(404))
            case "it is private":
                world.hostile.on("quay.io", path, Answer(403))
        world.now += 301
        await world.get(path)
        assert seen == forgotten

    told(story, tmp_path)
