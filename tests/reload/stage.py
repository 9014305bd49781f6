"""A policy file, a reloader for it, and everything that it told."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regproxy.model.decision import PolicyRequest
from regproxy.model.event import Event, PolicyReloaded
from regproxy.policy.load import Loaded
from regproxy.policy.policy import Policy
from regproxy.reload.active import Active
from regproxy.reload.build import Steps
from regproxy.reload.last_good import keep
from regproxy.reload.reading import Watched, read
from regproxy.reload.reloader import Reloader
from regproxy.reload.watcher import Watcher
from regproxy.settings.choose import load_file

POLL, SETTLE = 0.02, 0.02
PATIENCE = 10.0


def tiers(name: str) -> str:
    """A policy whose answer names itself."""
    return f"policy 1;\ntier {name} {{ match any; pass; }}\n"


BROKEN = "policy 1;\ntier a { match any; pasz; }\n"


@dataclass
class Stage:
    """`directory/test.policy`, running; the steps are the program's but for what a test replaces."""

    directory: Path
    text: str = tiers("first")
    replaced: Mapping[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    followed: list[tuple[Policy, Mapping[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path = self.directory / "test.policy"
        if not os.path.lexists(self.path):
            self.path.write_text(self.text)
        reading = read(self.load, Watched(frozenset({str(self.path)})))
        assert reading.loaded.policy is not None, reading.loaded.diagnostics
        self.active = Active(reading.loaded.policy)
        steps: dict[str, Any] = {
            "main": str(self.path),
            "load": self.load,
            "check": lambda policy: (),
            "follow": lambda policy, ca_files: self.followed.append((policy, ca_files)),
            "keep": lambda loaded: keep(self.directory / "last-good", loaded),
            "report": self.events.append,
        }
        self.reloader = Reloader(self.active, reading, Steps(**{**steps, **self.replaced}))
        self.watcher = Watcher(self.reloader, POLL, SETTLE)

    def load(self) -> Loaded:
        return load_file(self.path)

    @property
    def tier(self) -> str:
        """Which policy decides now."""
        return self.active.policy.on_request(PolicyRequest("GET", "h", "r", "other", "/")).tier

    @property
    def reloads(self) -> list[PolicyReloaded]:
        """The reloads so far."""
        return [event for event in self.events if isinstance(event, PolicyReloaded)]

    @property
    def results(self) -> list[str]:
        """How they ended."""
        return [event.result for event in self.reloads]

    def write(self, text: str) -> None:
        """Replace the policy at one stroke, as an editor does."""
        draft = self.path.with_name(".draft")
        draft.write_text(text)
        draft.replace(self.path)

    async def told(self, condition: Callable[[], bool], what: str) -> None:
        """Let the watcher run until something is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {PATIENCE:g} s; {self.events}"
            await asyncio.sleep(0.005)

    async def looked(self, times: int = 4) -> None:
        """Wait until the watcher has looked so many times more."""
        looks = 0
        look = self.reloader.look

        async def counted() -> Any:
            nonlocal looks
            seen = await look()
            looks += 1
            return seen

        self.reloader.look = counted  # type: ignore[method-assign]
        await self.told(lambda: looks >= times, f"{times} looks")
        self.reloader.look = look  # type: ignore[method-assign]


def play(story: Callable[[Stage], Coroutine[Any, Any, None]], stage: Stage) -> None:
    """Run a story while the watcher watches; it must end in good order."""

    async def run() -> None:
        watching = asyncio.get_running_loop().create_task(stage.watcher.run())
        try:
            await story(stage)
            assert not watching.done(), "the watcher gave up"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(run())
