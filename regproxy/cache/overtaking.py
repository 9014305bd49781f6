"""When pushes last changed repositories: an answer to an older question says nothing of what is there now."""

from collections.abc import Callable
from dataclasses import replace

from regproxy.model.address import Authority
from regproxy.model.entry import GenericKey
from regproxy.model.oci import Digest, Resource, classify
from regproxy.store.rows import Changes

# No question is under way for so long that as many pushes come meanwhile.
MAX_PUSHED = 4096


class Overtaking:
    """Owns the times, in memory only: a question does not outlive the process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pushed: dict[tuple[Authority, str, str], float] = {}

    def pushed(self, authority: Authority, repository: str, deleted: Digest | None) -> None:
        """A push has just changed this repository, and with it the list of all; a digest may be `deleted`."""
        changed = [("", ""), (repository, ""), *([(repository, str(deleted))] if deleted is not None else [])]
        for name, digest in changed:
            self._pushed.pop((authority, name, digest), None)
            self._pushed[authority, name, digest] = self._clock()
        while len(self._pushed) > MAX_PUSHED:
            del self._pushed[next(iter(self._pushed))]

    def overtook(self, authority: Authority, repository: str, asked_at: float, digest: str = "") -> bool:
        """Whether a push changed the repository, or deleted the digest from it, after this was asked."""
        key = authority, repository, digest
        at = self._pushed.get(key)
        if at is not None and at > self._clock():  # the clock was set back
            del self._pushed[key]
            return False
        return at is not None and asked_at <= at

    def current(self, changes: Changes) -> Changes:
        """The changes without what a push overtook."""
        if not self._pushed:
            return changes
        bindings = tuple(
            (key, row)
            for key, row in changes.bindings
            if not self.overtook(key.authority, key.repository, row.validated_at)
        )
        generics = tuple(
            (generic, row)
            for generic, row in changes.generics
            if not self.overtook(generic.authority, _repository(generic), row.validated_at)
        )
        # A push to the repository takes nothing from what has a digest: only a deletion does.
        links = tuple(
            (link, row)
            for link, row in changes.links
            if not self.overtook(link.authority, link.repository, row.checked_at, str(link.digest))
        )
        return replace(changes, bindings=bindings, generics=generics, links=links)


def _repository(key: GenericKey) -> str:
    target = classify(key.target)
    return target.repository if isinstance(target, Resource) else ""
