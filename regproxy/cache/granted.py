"""Who may read what, told to the operator, and taken back."""

from dataclasses import dataclass

from regproxy.cache.grants import Held
from regproxy.cache.lookup import Engines
from regproxy.cache.manifests import record
from regproxy.model.account import ANONYMOUS
from regproxy.model.address import Authority
from regproxy.store.rows import Changes

MAX_LISTED = 5000


@dataclass(frozen=True, slots=True)
class Standing:
    """A grant on disk: the account of this label, that of strangers or a lent one, read the repository.

    `at` is when it last did, seconds since the epoch.
    """

    authority: Authority
    repository: str
    account: str
    at: float

    @property
    def is_public(self) -> bool:
        """Whether it is everyone's."""
        return self.account == ANONYMOUS.label


class Granted:
    """The operator's view of grants; an empty repository or identity stands for all."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def standing(self, authority: Authority | None, repository: str) -> tuple[Standing, ...]:
        """What is public and what lent credentials may read, at most MAX_LISTED of it."""
        rows = await self._engines.store.grants(authority, repository, MAX_LISTED)
        return tuple(Standing(*row) for row in rows)

    def own(self, authority: Authority | None, repository: str, identity: str) -> tuple[Held, ...]:
        """What callers with a login may read, at most MAX_LISTED of it."""
        return tuple(self._engines.grants.listed(authority, identity, repository))[:MAX_LISTED]

    async def revoke(self, authority: Authority | None, repository: str, identity: str) -> int:
        """Take grants back, those on disk too where a repository and no identity is named; how many.

        Whoever comes next is asked about at the registry, by a proof that was not there before.
        """
        own = self._engines.grants.revoke(authority, identity, repository)
        self._engines.upstream.renew_all()
        if not repository or identity:
            return own
        standing = await self.standing(authority, repository)
        withdrawn = tuple((one.authority, one.repository, one.account) for one in standing)
        await record(self._engines, Changes(withdrawn=withdrawn))
        return own + len(standing)
