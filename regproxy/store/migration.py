"""Forward from the formats of older versions: one step each, all in one transaction of the index."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from regproxy.model.account import ANONYMOUS
from regproxy.model.entry import content_path
from regproxy.model.manifest import children
from regproxy.model.oci import MAX_MANIFEST, parse_digest
from regproxy.store.index import Tables
from regproxy.store.pools import MAIN, SMALL, SMALL_OBJECT
from regproxy.store.schema import CONTENT_INDEXES, EVICTION, FORMAT, GRANTED, INVENTORY, REFERENCE_BY_CHILD


def migrate(tables: Tables, directory: Path) -> int:
    """Bring the index to this format; the format that it had. Interrupted, it begins again at the next start."""
    found = tables.format()
    if found >= FORMAT:
        return found
    with tables.transaction():
        if found < 2:
            _to_2(tables, directory)
        if found < 3:
            _to_3(tables)
        if found < 4:
            _to_4(tables)
        if found < 5:
            _to_5(tables)
        _to_6(tables)
        tables.set_format(FORMAT)
    return found


def _to_2(tables: Tables, directory: Path) -> None:
    """Pools for eviction, and what manifests refer to, read from the manifests that are here.

    All layers go to the main pool in order of use: they have proved themselves, and keep their order of leaving.
    """
    tables.change("DROP INDEX content_by_use")
    for column in ("pool", "place", "uses"):
        tables.change(f"ALTER TABLE content ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    tables.change("UPDATE content SET pool = CASE WHEN size <= ? THEN ? ELSE ? END", SMALL_OBJECT, SMALL, MAIN)
    tables.change(
        "UPDATE content SET place = ordered.place FROM"
        " (SELECT rowid AS id, row_number() OVER (ORDER BY last_used) AS place FROM content WHERE pool = ?) AS ordered"
        " WHERE content.rowid = ordered.id",
        MAIN,
    )
    for statement in (*CONTENT_INDEXES, *EVICTION, REFERENCE_BY_CHILD):
        tables.change(statement)
    for manifest, body in _manifests(tables, directory):
        for child in children(body):
            tables.change("INSERT OR IGNORE INTO reference VALUES (?, ?)", manifest, str(child))


def _to_3(tables: Tables) -> None:
    """Which account was told what a tag means: until now there was one."""
    tables.change(f"ALTER TABLE binding ADD COLUMN account TEXT NOT NULL DEFAULT '{ANONYMOUS.label}'")


def _to_4(tables: Tables) -> None:
    """A past for each tag, which begins with what it means now, and room for what the operator says of it."""
    for statement in INVENTORY:
        tables.change(statement)
    tables.change(
        "INSERT INTO history SELECT authority, repository, tag, digest, media_type, size, stored_at, validated_at"
        " FROM binding WHERE accept = ''"
    )


def _to_5(tables: Tables) -> None:
    """What tiers say of how long content is kept: nothing so far, and two pools more."""
    tables.change("ALTER TABLE content ADD COLUMN keep INTEGER NOT NULL DEFAULT -1")
    tables.change("INSERT OR IGNORE INTO total VALUES (4, 0, 0), (5, 0, 0)")


def _to_6(tables: Tables) -> None:
    """Grants for accounts: until now there were those of strangers."""
    tables.change(GRANTED)
    tables.change("INSERT INTO granted SELECT authority, repository, ?, checked_at FROM public", ANONYMOUS.label)
    tables.change("DROP TABLE public")


def _manifests(tables: Tables, directory: Path) -> Iterator[tuple[str, bytes]]:
    sql = (
        "SELECT DISTINCT c.digest FROM link l JOIN content c ON c.digest = l.digest"
        " WHERE l.kind = 'manifest' AND c.verified > 0 AND c.size <= ?"
    )
    for (text,) in tables.each(sql, MAX_MANIFEST):
        with suppress(OSError):
            yield str(text), (directory / content_path(parse_digest(str(text)))).read_bytes()
