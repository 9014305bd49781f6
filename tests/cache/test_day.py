"""A day of a cluster behind Docker Hub's limits, on a virtual clock: whatever was ever pulled can be pulled.

400 clients, 1,200 tags, three rollouts, a stranger who spends our allowance, an outage, a while of Too Many Requests.
"""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from regproxy.model.message import field as field_of
from tests.cache.world import QUAY, World, world
from tests.lab.hub import WINDOW, Hub
from tests.lab.images import sha256

CLIENTS, REPOSITORIES, TAGS_EACH = 400, 240, 5
HOUR, STEP = 3600.0, 300.0
# When each of these begins, in hours, and how many tags each rollout moves.
ROLLOUTS = {3: 40, 9: 80, 17: 60}
STRANGER, OUTAGE, ABUSE = 5, (13, 15), (20, 20.2)
TIERS = """
defaults { stale if-error 7d on $outage; }
tier by-digest { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier tags { match kind is manifest; fresh 5m; }
tier rest { match any; pass; }
"""
Tag = tuple[str, str]


@dataclass
class Day:
    """The cluster, its registry, and what went wrong."""

    world: World
    hub: Hub
    chance: random.Random
    versions: dict[Tag, list[str]] = field(default_factory=dict)
    pulls: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def hour(self) -> float:
        return (self.world.now - self.midnight) / HOUR

    def push(self, tag: Tag) -> None:
        """The next version of a tag."""
        known = self.versions.setdefault(tag, [])
        known.append(self.hub.push(*tag, f'{{"schemaVersion":2,"of":"{tag[0]}:{tag[1]} {len(known)}"}}'.encode()))

    async def warm(self, tags: list[Tag]) -> None:
        """Days before: each window's pulls bring a hundred tags into the cache."""
        for first in range(0, len(tags), self.hub.limit):
            some = tags[first : first + self.hub.limit]
            for tag in some:
                self.push(tag)
            await asyncio.gather(*(self.pull(tag, by_head=False) for tag in some))
            self.world.now += WINDOW
        self.midnight = self.world.now

    async def pull(self, tag: Tag, *, by_head: bool) -> None:
        """Pull as dockerd does, HEAD and then GET of what it names, or as podman does, by one GET."""
        self.pulls += 1
        path = f"/v2/{tag[0]}/manifests/"
        reference = tag[1]
        if by_head:
            answer, _ = await self.world.ask("HEAD", path + tag[1])
            reference = field_of(answer.head.fields, "docker-content-digest") or "none"
            if answer.head.status != 200:
                self.failed.append(f"{self.hour:.2f} h: HEAD {tag} {answer.head.status} {answer.head.reason}")
                return
        answer, body = await self.world.get(path + reference)
        if answer.head.status != 200 or sha256(body) not in self.versions[tag]:
            self.failed.append(f"{self.hour:.2f} h: GET {tag} {answer.head.status} {answer.head.reason}")

    async def pull_all(self, tags: list[Tag]) -> None:
        """These pulls at once, half of the clients of each kind."""
        await asyncio.gather(*(self.pull(tag, by_head=at % 2 == 0) for at, tag in enumerate(tags)))

    async def roll_out(self, count: int) -> list[Tag]:
        """Move so many tags; every client pulls one of them, all at once."""
        moved = self.chance.sample(sorted(self.versions), count)
        for tag in moved:
            self.push(tag)
        self.world.now += STEP
        await self.pull_all([moved[client % count] for client in range(CLIENTS)])
        return moved

    async def ask_for_what_nobody_has(self) -> None:
        """A pull that cannot succeed now: the limit is real, and the client reads whose it is and until when."""
        self.hub.push("team/new", "v1", b'{"schemaVersion":2,"brand":"new"}')
        answer, body = await self.world.get("/v2/team/new/manifests/v1")
        assert answer.head.status == 429
        assert 1 <= int(field_of(answer.head.fields, "retry-after") or "0") <= 60
        assert b"the pull limit of quay.io (100 in 6 h, account anonymous) is used up; asked again at" in body

    async def steps(self, until: float, each: int) -> None:
        """Time goes on, and in each step some clients pull what they know."""
        tags = sorted(self.versions)
        while self.hour < until:
            self.world.now += STEP
            await self.pull_all(self.chance.choices(tags, k=each))


async def _live(day: Day, each: int) -> None:
    """The day; `each` clients pull in each five minutes."""
    hostile = day.world.hostile
    await day.steps(3, each)
    await day.roll_out(ROLLOUTS[3])
    await day.steps(STRANGER, each)
    day.hub.spend(50)
    await day.steps(9, each)
    moved = await day.roll_out(ROLLOUTS[9])
    assert day.hub.refused, "the second rollout is larger than what is left"
    await day.ask_for_what_nobody_has()
    while day.hour < OUTAGE[0]:
        await day.steps(day.hour + 0.1, each)
        await day.pull_all(day.chance.choices(moved, k=10))
    hostile.stop()
    await day.steps(OUTAGE[1], each)
    hostile.start()
    await day.steps(17, each)
    await day.roll_out(ROLLOUTS[17])
    await day.steps(ABUSE[0], each)
    day.hub.abuse_until = day.world.now + (ABUSE[1] - ABUSE[0]) * HOUR
    await day.steps(24, each)


def test_a_day_behind_the_limits_of_the_hub(tmp_path: Path, soak: float, seed: int) -> None:
    tags = [(f"team/app{repository}", f"v{tag}") for repository in range(REPOSITORIES) for tag in range(TAGS_EACH)]

    async def story() -> None:
        async with world(tmp_path, TIERS) as running:
            hub = Hub(QUAY.name, lambda: running.now)
            hub.serve(running.hostile)
            day = Day(running, hub, random.Random(seed))
            await day.warm(tags)
            await _live(day, each=max(1, round(CLIENTS / 6 * soak)))
            assert day.failed == []
            # Nobody is left with an old version once the registry gives the new one.
            running.now += WINDOW
            for first in range(0, len(tags), 100):
                await day.pull_all(tags[first : first + 100])
            assert day.failed == []
            assert {known[-1] for known in day.versions.values()} <= set(hub.pulled)
            assert len(hub.pulled) + len(hub.refused) <= 1.02 * len(set(hub.pulled))
            probes = [at for at in hub.too_many if at > hub.too_many[0]]
            assert len(probes) == len(set(probes)), "of what was under way at first, one probe at a time is left"

    asyncio.run(story())
