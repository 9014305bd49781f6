"""What names meant, read and written on the index's thread: the half of the store that knows no files."""

from regproxy.model.account import ANONYMOUS
from regproxy.model.address import Authority
from regproxy.model.entry import Binding, BindingKey, Challenge, Generic, GenericKey, Link, LinkKey
from regproxy.model.oci import Digest
from regproxy.store import rows
from regproxy.store.index import Index


class Names:
    """Look-ups by key, and what answers taught us, written together; methods raise OSError when the index refuses."""

    def __init__(self, index: Index) -> None:
        self._index = index

    async def binding(self, key: BindingKey) -> Binding | None:
        """What a tag meant when we last asked."""
        return await self._index.run(lambda tables: rows.read_binding(tables, key))

    async def link(self, key: LinkKey) -> Link | None:
        """What a registry said of a digest under this name."""
        return await self._index.run(lambda tables: rows.read_link(tables, key))

    async def generic(self, key: GenericKey) -> Generic | None:
        """A stored answer that is not content-addressed."""
        return await self._index.run(lambda tables: rows.read_generic(tables, key))

    async def variants(self, authority: Authority, target: str) -> dict[GenericKey, Generic]:
        """All stored answers for one target, by the requests that they answer."""
        return await self._index.run(lambda tables: rows.read_variants(tables, authority, target))

    async def linked_in(self, authority: Authority, digest: Digest) -> bool:
        """Whether this authority gave the digest in any of its repositories."""
        return await self._index.run(lambda tables: rows.read_linked_in(tables, authority, digest))

    async def granted_at(self, authority: Authority, repository: str, *accounts: str) -> float | None:
        """When one of the accounts of these labels last read the repository, seconds since the epoch; None: none may.

        Without labels: the account of strangers.
        """
        labels = accounts or (ANONYMOUS.label,)
        return await self._index.run(lambda tables: rows.read_granted(tables, authority, repository, *labels))

    async def grants(
        self, authority: Authority | None, repository: str, limit: int
    ) -> tuple[tuple[Authority, str, str, float], ...]:
        """Where which account may read, of an authority and a repository where they are given, and when it last did."""
        return await self._index.run(lambda tables: rows.read_grants(tables, authority, repository, limit))

    async def challenges(self) -> dict[Authority, Challenge]:
        """How each known authority asks for credentials."""
        return await self._index.run(rows.read_challenges)

    async def record(self, changes: rows.Changes) -> None:
        """Write the changes, all or none."""
        await self._index.run(lambda tables: rows.write(tables, changes))
