"""What the operator asks of the index: tags with what they mean and meant, and what a purge takes with it."""

from collections.abc import Iterable, Iterator

from regproxy.model.address import Authority, parse_authority
from regproxy.model.entry import BindingKey
from regproxy.model.inventory import Override, Past, Tagged, TagKey
from regproxy.model.oci import DOCKER_LIST, OCI_INDEX, Digest, parse_digest
from regproxy.store.index import Index, Tables, Value
from regproxy.store.rows import read_binding

MAX_PAST = 20  # digests of one tag that are remembered
MAX_OVERRIDES = 100_000
MAX_PURGED = 1_000_000  # contents that one purge may look at
_NAMED = "authority = ? AND repository = ? AND tag = ?"
# All that a manifest leads to, itself included.
_TREE = (
    "WITH RECURSIVE within (digest) AS (SELECT ? UNION"
    " SELECT r.child FROM reference r JOIN within w ON r.manifest = w.digest LIMIT ?)"
)
_WITHIN = f"{_TREE} SELECT digest FROM within"  # noqa: S608 -- our own words
_SIZE = f"{_TREE} SELECT sum(c.size) FROM content c WHERE c.digest IN (SELECT digest FROM within)"  # noqa: S608
# Every authority that gave something, each found by one step in the index.
_AUTHORITIES = (
    "WITH RECURSIVE each (name) AS (SELECT min(authority) FROM link UNION ALL"
    " SELECT (SELECT min(authority) FROM link WHERE authority > name) FROM each WHERE name IS NOT NULL)"
    " SELECT name FROM each WHERE name IS NOT NULL"
)


class Inventory:
    """Reads and writes the operator's half of the index; methods raise OSError when the index refuses."""

    def __init__(self, index: Index) -> None:
        self._index = index

    async def tags(self, after: TagKey | None, limit: int) -> list[TagKey]:
        """Names of tags in order of authority, repository and tag, behind `after`, at most `limit`."""
        return await self._index.run(lambda tables: list(_tags(tables, after, limit)))

    async def described(self, keys: Iterable[TagKey]) -> list[Tagged]:
        """What is known of these tags, as far as they are here."""
        named = tuple(keys)
        return await self._index.run(lambda tables: [one for key in named if (one := _tagged(tables, key))])

    async def tagged(self, key: TagKey) -> Tagged | None:
        """One tag."""
        return await self._index.run(lambda tables: _tagged(tables, key))

    async def past(self, key: TagKey) -> list[Past]:
        """What the tag meant, the latest first."""
        return await self._index.run(lambda tables: list(_past(tables, key)))

    async def indexes(self, authority: Authority, repository: str, limit: int) -> list[Digest]:
        """The image indexes that a repository gave, the latest first."""
        sql = (
            "SELECT digest FROM link WHERE authority = ? AND repository = ? AND kind = 'manifest'"
            " AND media_type IN (?, ?) ORDER BY checked_at DESC LIMIT ?"
        )
        row = str(authority), repository, OCI_INDEX, DOCKER_LIST, limit
        return await self._index.run(lambda tables: [parse_digest(str(one)) for (one,) in tables.each(sql, *row)])

    async def overrides(self) -> tuple[dict[TagKey, Override], dict[TagKey, frozenset[Digest]]]:
        """What the operator said that still stands: overrides, and digests that a tag may not mean."""
        return await self._index.run(lambda tables: (_overrides(tables), _distrusted(tables)))

    async def override(self, keys: Iterable[TagKey], override: Override) -> None:
        """Say this of the tags, instead of what was said before."""
        rows = [(*_named(key), override.expired_at, override.held_until) for key in keys]
        sql = "INSERT OR REPLACE INTO override VALUES (?, ?, ?, ?, ?)"
        await self._index.run(lambda tables: _each(tables, sql, rows))

    async def distrust(self, named: Iterable[tuple[TagKey, Digest]]) -> None:
        """The tags may not mean these digests any more, and are asked for again."""
        rows = [(*_named(key), str(digest)) for key, digest in named]

        def work(tables: Tables) -> None:
            with tables.transaction():
                for row in rows:
                    tables.change("INSERT OR REPLACE INTO distrusted VALUES (?, ?, ?, ?)", *row)
                    tables.change(f"DELETE FROM binding WHERE {_NAMED} AND digest = ?", *row)  # noqa: S608

        await self._index.run(work)

    async def trust(self, key: TagKey, digest: Digest) -> None:
        """The tag may mean this digest again."""
        row = (*_named(key), str(digest))
        sql = f"DELETE FROM distrusted WHERE {_NAMED} AND digest = ?"  # noqa: S608 -- our own words
        await self._index.run(lambda tables: _each(tables, sql, [row]))

    async def forget(self, keys: Iterable[TagKey]) -> tuple[frozenset[Digest], int]:
        """Drop the tags and what only they named in their repositories.

        Returns the contents that nobody names any more, and how many somebody still does.
        """
        named = tuple(keys)
        return await self._index.run(lambda tables: _forget(tables, named))


def _tags(tables: Tables, after: TagKey | None, limit: int) -> Iterator[TagKey]:
    sql = (
        "SELECT authority, repository, tag FROM binding WHERE accept = ''"
        " AND (authority, repository, tag) > (?, ?, ?) ORDER BY authority, repository, tag LIMIT ?"
    )
    behind = _named(after) if after is not None else ("", "", "")
    return (_key(*row) for row in tables.each(sql, *behind, limit))


def _tagged(tables: Tables, key: TagKey) -> Tagged | None:
    binding = read_binding(tables, BindingKey(key.authority, key.repository, key.tag))
    if binding is None:
        return None
    (used,) = tables.one("SELECT last_used FROM content WHERE digest = ?", str(binding.digest)) or (None,)
    (size,) = tables.one(_SIZE, str(binding.digest), MAX_PURGED) or (0,)
    return Tagged(key, binding, None if used is None else float(used), int(size or 0))


def _past(tables: Tables, key: TagKey) -> Iterator[Past]:
    sql = (
        f"SELECT digest, media_type, size, first_at, last_at FROM history WHERE {_NAMED}"  # noqa: S608
        " ORDER BY last_at DESC, first_at DESC LIMIT ?"
    )
    for digest, media_type, size, first, last in tables.each(sql, *_named(key), MAX_PAST):
        yield Past(parse_digest(str(digest)), str(media_type), int(size or 0), float(first or 0), float(last or 0))


def _overrides(tables: Tables) -> dict[TagKey, Override]:
    """Those that still stand; what was validated since is fresh by itself."""
    tables.change(
        "DELETE FROM override WHERE held_until = 0 AND NOT EXISTS (SELECT 1 FROM binding b WHERE"
        " b.authority = override.authority AND b.repository = override.repository AND b.tag = override.tag"
        " AND b.validated_at < override.expired_at)"
    )
    sql = "SELECT authority, repository, tag, expired_at, held_until FROM override LIMIT ?"
    return {
        _key(authority, repository, tag): Override(float(expired or 0), float(held or 0))
        for authority, repository, tag, expired, held in tables.each(sql, MAX_OVERRIDES)
    }


def _distrusted(tables: Tables) -> dict[TagKey, frozenset[Digest]]:
    found: dict[TagKey, frozenset[Digest]] = {}
    sql = "SELECT authority, repository, tag, digest FROM distrusted LIMIT ?"
    for authority, repository, tag, digest in tables.each(sql, MAX_OVERRIDES):
        key = _key(authority, repository, tag)
        found[key] = found.get(key, frozenset()) | {parse_digest(str(digest))}
    return found


def _within(tables: Tables, digest: str) -> set[str]:
    return {str(row[0]) for row in tables.each(_WITHIN, digest, MAX_PURGED)}


def _forget(tables: Tables, named: tuple[TagKey, ...]) -> tuple[frozenset[Digest], int]:
    doomed: set[str] = set()
    with tables.transaction():
        repositories: dict[tuple[str, str], set[str]] = {}
        for key in named:
            authority, repository, _ = _named(key)
            sql = f"SELECT digest FROM binding WHERE {_NAMED} UNION SELECT digest FROM history WHERE {_NAMED}"  # noqa: S608
            for (digest,) in list(tables.each(sql, *_named(key), *_named(key))):
                repositories.setdefault((authority, repository), set()).update(_within(tables, str(digest)))
            for table in ("binding", "history", "override"):
                tables.change(f"DELETE FROM {table} WHERE {_NAMED}", *_named(key))  # noqa: S608
        for at, digests in repositories.items():
            kept: set[str] = set()
            sql = "SELECT DISTINCT digest FROM binding WHERE authority = ? AND repository = ?"
            for (digest,) in list(tables.each(sql, *at)):
                kept |= _within(tables, str(digest))
            for text in digests - kept:
                sql = "DELETE FROM link WHERE authority = ? AND repository = ? AND digest = ?"
                tables.change(sql, *at, text)
            doomed |= digests
        here = {text for text in doomed if tables.one("SELECT 1 FROM content WHERE digest = ?", text)}
        authorities = [authority for (authority,) in tables.each(_AUTHORITIES)]
        shared = {text for text in here if any(_linked(tables, authority, text) for authority in authorities)}
    return frozenset(map(parse_digest, here - shared)), len(shared)


def _linked(tables: Tables, authority: Value, digest: str) -> bool:
    sql = "SELECT 1 FROM link WHERE authority = ? AND digest = ? LIMIT 1"
    return tables.one(sql, authority, digest) is not None


def _each(tables: Tables, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
    with tables.transaction():
        for row in rows:
            tables.change(sql, *row)


def _key(authority: Value, repository: Value, tag: Value) -> TagKey:
    return TagKey(parse_authority(str(authority)), str(repository), str(tag))


def _named(key: TagKey) -> tuple[str, str, str]:
    return str(key.authority), key.repository, key.tag
