"""A cache directory as format 1 left it: its tables, and content in them."""

import sqlite3
from pathlib import Path

from regproxy.model.entry import content_path
from tests.store.opening import digest_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS content (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, allocated INTEGER NOT NULL, last_used REAL NOT NULL,
    verified INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS content_by_use ON content (last_used);
CREATE INDEX IF NOT EXISTS content_unverified ON content (last_used) WHERE verified = 0;
CREATE TABLE IF NOT EXISTS binding (
    authority TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, accept TEXT NOT NULL,
    digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, fields TEXT NOT NULL,
    stored_at REAL NOT NULL, validated_at REAL NOT NULL, gone_at REAL,
    PRIMARY KEY (authority, repository, tag, accept)
);
CREATE TABLE IF NOT EXISTS link (
    authority TEXT NOT NULL, repository TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL,
    media_type TEXT NOT NULL, size INTEGER NOT NULL, fields TEXT NOT NULL, checked_at REAL NOT NULL,
    proof TEXT NOT NULL,
    PRIMARY KEY (authority, repository, kind, digest)
);
CREATE INDEX IF NOT EXISTS link_by_digest ON link (authority, digest);
CREATE TABLE IF NOT EXISTS generic (
    authority TEXT NOT NULL, target TEXT NOT NULL, variant TEXT NOT NULL,
    digest TEXT NOT NULL, size INTEGER NOT NULL, fields TEXT NOT NULL,
    stored_at REAL NOT NULL, validated_at REAL NOT NULL,
    PRIMARY KEY (authority, target, variant)
);
CREATE TABLE IF NOT EXISTS public (
    authority TEXT NOT NULL, repository TEXT NOT NULL, checked_at REAL NOT NULL,
    PRIMARY KEY (authority, repository)
);
CREATE TABLE IF NOT EXISTS challenge (
    authority TEXT PRIMARY KEY, scheme TEXT NOT NULL, realm TEXT NOT NULL, service TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS reference (
    manifest TEXT NOT NULL, child TEXT NOT NULL, PRIMARY KEY (manifest, child)
) WITHOUT ROWID;
"""


def first_format(directory: Path, manifest: bytes, bodies: tuple[bytes, ...]) -> None:
    """A manifest of one repository with a tag, and other content, used one after the other; stopped cleanly."""
    for name in ("blobs", "tmp"):
        (directory / name).mkdir(parents=True)
    (directory / "VERSION").write_text("1\n")
    (directory / "CLEAN").touch()
    connection = sqlite3.connect(directory / "meta.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA)
    for number, body in enumerate((manifest, *bodies)):
        path = directory / content_path(digest_of(body))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        row = (str(digest_of(body)), len(body), path.lstat().st_blocks * 512, 1000.0 + number)
        connection.execute("INSERT INTO content VALUES (?, ?, ?, ?, 1)", row)
    digest = str(digest_of(manifest))
    connection.execute(
        "INSERT INTO link VALUES ('r.example:443', 'app', 'manifest', ?, 'm', ?, '[]', 5.0, 'get')",
        (digest, len(manifest)),
    )
    connection.execute(
        "INSERT INTO binding VALUES ('r.example:443', 'app', 'v1', '', ?, 'm', ?, '[]', 4.0, 5.0, NULL)",
        (digest, len(manifest)),
    )
    connection.execute("INSERT INTO public VALUES ('r.example:443', 'app', 5.0)")
    connection.close()
