"""Stale answers say what they are stale for, and for how long."""

from pathlib import Path

import pytest

from regproxy.cache.staleness import Asked, stale
from regproxy.model.decision import FailureClass
from regproxy.model.event import Outcome
from regproxy.model.stale import Stale
from regproxy.upstream.failure import NotAsked, UpstreamFailed
from tests.cache.test_tags import ONE, TAG
from tests.cache.world import World, told
from tests.lab.answers import Answer


@pytest.mark.parametrize(
    ("outcome", "asked", "reason"),
    [
        (Outcome.STALE, None, "upstream_timeout"),
        (Outcome.STALE, 429, "rate_limited"),
        (Outcome.STALE, 503, "upstream_error"),
        (Outcome.STALE, UpstreamFailed(FailureClass.TIMEOUT, "late"), "upstream_timeout"),
        (Outcome.STALE, UpstreamFailed(FailureClass.DNS, "gone"), "upstream_error"),
        (Outcome.STALE, NotAsked(FailureClass.TIMEOUT, "it failed in a row"), "circuit_open"),
        (Outcome.STALE, "client", "client"),
        (Outcome.SWR, None, "while_revalidate"),
    ],
)
def test_what_became_of_asking_is_the_reason(outcome: Outcome, asked: Asked, reason: str) -> None:
    found = stale(outcome, 7.0, asked)
    assert found is not None
    assert (found.reason, found.seconds) == (reason, 7.0)


def test_what_is_fresh_or_new_is_not_stale() -> None:
    assert all(stale(outcome, 7.0) is None for outcome in Outcome if outcome not in (Outcome.STALE, Outcome.SWR))


def test_a_tag_behind_a_limit_an_outage_and_a_breaker(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def served() -> Stale | None:
            answer, body = await world.get(TAG)
            assert body == ONE
            return answer.labels.stale

        world.tag("latest", ONE)
        assert [await served(), await served()] == [None, None]
        world.now += 301
        world.hostile.on("quay.io", TAG, Answer(429, (("Retry-After", "60"),)))
        assert await served() == Stale("rate_limited", 1.0)
        world.now += 61
        world.hostile.stop()
        assert [await served() for _ in range(7)] == [
            *[Stale("upstream_error", 62.0)] * 5,
            *[Stale("circuit_open", 62.0)] * 2,
        ]

    told(story, tmp_path)


def test_a_tag_that_is_revalidated_behind_the_clients_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.tag("swr", ONE)
        path = "/v2/a/b/manifests/swr"
        await world.get(path)
        world.now += 65
        answer, _ = await world.get(path)
        assert (answer.labels.outcome, answer.labels.stale) == (Outcome.SWR, Stale("while_revalidate", 5.0))

    told(story, tmp_path)
