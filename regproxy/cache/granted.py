"""Who may read what, told to the operator, and taken back."""

from dataclasses import dataclass

from regproxy.cache.grants import Held
from regproxy.cache.lookup import Engines
from regproxy.cache.manifests import record
from regproxy.model.address import Authority
from regproxy.store.rows import Changes

MAX_LISTED = 5000


@dataclass(frozen=True, slots=True)
class Public:
    """A repository that strangers read; `at` is when one last did, seconds since the epoch."""

    authority: Authority
    repository: str
    at: float


class Granted:
    """The operator's view of grants; an empty repository or identity stands for all."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def public(self, authority: Authority | None, repository: str) -> tuple[Public, ...]:
        """What is public, at most MAX_LISTED of it."""
        rows = await self._engines.store.publics(authority, repository, MAX_LISTED)
        return tuple(Public(*row) for row in rows)

    def own(self, authority: Authority | None, repository: str, identity: str) -> tuple[Held, ...]:
        """What callers with a login may read, at most MAX_LISTED of it."""
        return tuple(self._engines.grants.listed(authority, identity, repository))[:MAX_LISTED]

    async def revoke(self, authority: Authority | None, repository: str, identity: str) -> int:
        """Take grants back, those of strangers too where a repository and no identity is named; how many.

        Whoever comes next is asked about at the registry, by a proof that was not there before.
        """
        own = self._engines.grants.revoke(authority, identity, repository)
        self._engines.upstream.renew_all()
        if not repository or identity:
            return own
        public = await self.public(authority, repository)
        await record(self._engines, Changes(private=tuple((one.authority, one.repository) for one in public)))
        return own + len(public)
