"""One reading of a policy: what was loaded is what lies on the disk, not half of an older state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from regproxy.policy.load import Loaded
from regproxy.reload.look import Look, hash_of, look

MAX_READINGS = 3


@dataclass(frozen=True, slots=True)
class Watched:
    """Names of files whose content counts, and of folders whose listing does."""

    files: frozenset[str]
    folders: frozenset[str] = frozenset()

    def with_those_of(self, loaded: Loaded) -> "Watched":
        """These and what one load read."""
        return Watched(self.files | loaded.files, self.folders | loaded.folders)

    def look(self) -> Look:
        """What they hold now; for a thread."""
        return look(self.files, self.folders)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of the files, and the look that belongs to it; `watched` names what was looked at."""

    loaded: Loaded
    watched: Watched
    seen: Look

    @property
    def beside(self) -> Mapping[str, str]:
        """The hashes of the files that count without being policy text, such as CA files."""
        names = self.loaded.files - {source.name for source in self.loaded.sources}
        return {name: self.seen.held[name] for name in names if name in self.seen.held}

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences about what the policy names and nobody can read."""
        return tuple(self.seen.problems[name] for name in sorted(self.loaded.files) if name in self.seen.problems)


def read(load: Callable[[], Loaded], watched: Watched) -> Reading:
    """Load until the texts are those on the disk, and look at them and at what else is watched.

    Raises what `load` raises, and OSError when the files never keep still.
    """
    for _ in range(MAX_READINGS):
        loaded = load()
        everything = watched.with_those_of(loaded)
        seen = everything.look()
        if all(seen.held.get(source.name) == hash_of(source.text) for source in loaded.sources):
            return Reading(loaded, everything, seen)
    raise OSError("the policy's files change while they are read")
