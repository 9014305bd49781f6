"""What runs on the thread of a reload: read, judge and compile, beside a loop that serves."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from regproxy.model.event import Event
from regproxy.policy.diagnostic import Diagnostic
from regproxy.policy.load import Loaded
from regproxy.policy.policy import Policy
from regproxy.reload.look import Look
from regproxy.reload.pace import yielding
from regproxy.reload.reading import Reading, Watched, read
from regproxy.reload.result import Rejected, Unchanged, Unreadable


def _no_difference(_old: Policy, _new: Policy) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Steps:
    """What a reload of the policy file `main` does, handed in by the program.

    `load`, `check`, `difference` and `keep` run on a thread: read the files (raises OSError and ValueError); find what
    stops an otherwise good policy; say in sentences what it decides differently; write down the texts that now run
    (raises OSError). `follow` runs on the event loop right after the swap, with the hash of every CA file by name:
    limits, connections and memories that depend on the policy.
    """

    main: str
    load: Callable[[], Loaded]
    check: Callable[[Policy], Iterable[Diagnostic]]
    follow: Callable[[Policy, Mapping[str, str]], None]
    keep: Callable[[Loaded], None]
    report: Callable[[Event], None]
    difference: Callable[[Policy, Policy], Iterable[str]] = _no_difference


@dataclass(frozen=True, slots=True)
class Built:
    """A policy that may run, and sentences about what it decides differently."""

    policy: Policy
    reading: Reading
    changes: tuple[str, ...]


Outcome = Built | Unchanged | Rejected | Unreadable


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt, what to watch from now on, and what was seen of it."""

    outcome: Outcome
    watched: Watched
    seen: Look


def attempt(steps: Steps, policy: Policy, running: Reading | None) -> Attempt:
    """Build what shall follow `policy`; never raises: whatever goes wrong, the policy that runs goes on.

    `running` is the reading that `policy` came from, None when that was not of the files. A wrong text hides what it
    would include: what the running policy is made of stays in sight.
    """
    watched = Watched(frozenset({steps.main}))
    if running is not None:
        watched = watched.with_those_of(running.loaded)
    with yielding():
        before = watched.look()
        try:
            reading = read(steps.load, watched)
            return Attempt(_judged(steps, reading, policy, running), reading.watched, reading.seen)
        except Exception as error:  # see above
            foreseen = isinstance(error, OSError | ValueError)
            sentence = str(error) if foreseen else f"{type(error).__name__}: {error}"
            return Attempt(Unreadable(sentence), watched, before)


def _judged(steps: Steps, reading: Reading, old: Policy, running: Reading | None) -> Outcome:
    loaded = reading.loaded
    policy = loaded.policy
    if policy is None:
        return Rejected(loaded.diagnostics)
    if reading.problems:
        return Unreadable("; ".join(reading.problems))
    if running is not None and policy.checksum == old.checksum and reading.beside == running.beside:
        return Unchanged(policy.checksum)
    diagnostics = (*loaded.diagnostics, *steps.check(policy))
    if any(diagnostic.is_error for diagnostic in diagnostics):
        return Rejected(diagnostics)
    changes = tuple(steps.difference(old.unshared(), policy))
    return Built(policy, replace(reading, loaded=replace(loaded, diagnostics=diagnostics)), changes)
