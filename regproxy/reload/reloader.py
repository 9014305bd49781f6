"""Reloading: build beside the event loop, then one swap; or the running policy stays, and everyone is told why."""

import asyncio
import time
from typing import Literal, assert_never

from regproxy.model.event import PolicyReloaded, StoreFailed
from regproxy.policy.diagnostic import in_brief
from regproxy.policy.load import Loaded
from regproxy.reload.active import Active
from regproxy.reload.build import Attempt, Built, Steps, attempt
from regproxy.reload.look import Look
from regproxy.reload.reading import Reading, Watched
from regproxy.reload.result import Activated, Rejected, Result, Unchanged, Unreadable
from regproxy.reload.watcher import Trigger

MAX_SENTENCES = 10  # of findings and of changes, in one event


class Reloader:
    """Reloads one policy file, one reload at a time; owns what was last seen of its files."""

    def __init__(self, active: Active, running: Reading | None, steps: Steps) -> None:
        """`running` is the reading that the active policy came from, None when that was not of the files."""
        self._active = active
        self._running = running
        self._steps = steps
        self._watched = running.watched if running is not None else Watched(frozenset({steps.main}))
        self._seen = running.seen if running is not None else None
        self._turn = asyncio.Lock()

    async def look(self) -> Look:
        """What the files hold now, looked at on a thread."""
        return await asyncio.to_thread(self._watched.look)

    def acted_on(self, seen: Look) -> bool:
        """Whether the last reload, or the start, saw just this."""
        return seen == self._seen

    async def begin(self) -> None:
        """Write down the texts that run, so that a later start can fall back on them."""
        if self._running is not None:
            await self._keep(self._running.loaded)

    async def reload(self, trigger: Trigger) -> Result:
        """Reload now, or after the reload under way; never raises for what the files hold."""
        async with self._turn:
            began = time.monotonic()
            made = await asyncio.to_thread(attempt, self._steps, self._active.policy, self._running)
            self._watched, self._seen = made.watched, made.seen
            result = self._applied(made)
            self._steps.report(self._event(result, trigger, time.monotonic() - began))
            if isinstance(made.outcome, Built):
                await self._keep(made.outcome.reading.loaded)
            return result

    def _applied(self, made: Attempt) -> Result:
        """Let what was built run; nobody is served between the swap and what follows it."""
        match made.outcome:
            case Built(policy=policy, reading=reading, changes=changes):
                self._running = reading
                self._active.swap(policy)
                self._steps.follow(policy, reading.beside)
                return Activated(policy.checksum, reading.loaded.diagnostics, changes)
            case Unchanged() | Rejected() | Unreadable():
                return made.outcome
            case _:
                assert_never(made.outcome)

    async def _keep(self, loaded: Loaded) -> None:
        try:
            await asyncio.to_thread(self._steps.keep, loaded)
        except OSError as error:
            self._steps.report(StoreFailed("last-good", str(error)))

    def _event(self, result: Result, trigger: Trigger, seconds: float) -> PolicyReloaded:
        word: Literal["success", "unchanged", "failure"]
        findings: tuple[str, ...] = ()
        changes: tuple[str, ...] = ()
        match result:
            case Activated(diagnostics=diagnostics):
                word, findings, changes = "success", _bounded(in_brief(diagnostics)), _bounded(result.changes)
            case Unchanged():
                word = "unchanged"
            case Rejected(diagnostics=diagnostics):
                word, findings = "failure", _bounded(in_brief(diagnostics))
            case Unreadable(sentence=sentence):
                word, findings = "failure", (sentence,)
            case _:
                assert_never(result)
        policy = self._active.policy
        registries = tuple(registry.name for registry in policy.registries)
        tiers = tuple(tier.name for tier in policy.tiers)
        ended, milliseconds = time.time(), seconds * 1000
        told = findings, changes, policy.exposed
        return PolicyReloaded(word, trigger, policy.checksum, registries, tiers, ended, milliseconds, *told)


def _bounded(sentences: tuple[str, ...]) -> tuple[str, ...]:
    if len(sentences) <= MAX_SENTENCES:
        return sentences
    kept = sentences[: MAX_SENTENCES - 1]
    return (*kept, f"and {len(sentences) - len(kept)} more")
