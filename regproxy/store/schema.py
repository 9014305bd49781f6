"""The tables of the index, as this format has them; `migration` leads older formats here.

The triggers keep `total` by pool in the transaction of each change, so that opening a large cache adds nothing up.
"""

FORMAT = 6

_CONTENT = """CREATE TABLE content (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, allocated INTEGER NOT NULL, last_used REAL NOT NULL,
    verified INTEGER NOT NULL, pool INTEGER NOT NULL, place INTEGER NOT NULL, uses INTEGER NOT NULL,
    keep INTEGER NOT NULL DEFAULT -1
)"""
# `verified` 0: found without a row, not read yet; 1: hashed and on the disk; 2: hashed, maybe not on the disk yet.
CONTENT_INDEXES = (
    "CREATE INDEX content_by_use ON content (pool, last_used)",
    "CREATE INDEX content_by_place ON content (pool, place) WHERE pool > 0",
    "CREATE INDEX IF NOT EXISTS content_unverified ON content (last_used) WHERE verified = 0",
    "CREATE INDEX content_unsynced ON content (last_used) WHERE verified = 2",
)
# Digests of layers that left early: who comes back goes to the main pool at once.
EVICTION = (
    "CREATE TABLE ghost (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE)",
    "CREATE TABLE total (pool INTEGER PRIMARY KEY, allocated INTEGER NOT NULL, entries INTEGER NOT NULL)",
    "INSERT INTO total VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0), (5, 0, 0)",
    """UPDATE total SET (allocated, entries) =
        (SELECT coalesce(sum(c.allocated), 0), count(*) FROM content c WHERE c.pool = total.pool)""",
    """CREATE TRIGGER content_came AFTER INSERT ON content BEGIN
        UPDATE total SET allocated = allocated + NEW.allocated, entries = entries + 1 WHERE pool = NEW.pool;
    END""",
    """CREATE TRIGGER content_left AFTER DELETE ON content BEGIN
        UPDATE total SET allocated = allocated - OLD.allocated, entries = entries - 1 WHERE pool = OLD.pool;
    END""",
    """CREATE TRIGGER content_moved AFTER UPDATE OF pool ON content WHEN OLD.pool <> NEW.pool BEGIN
        UPDATE total SET allocated = allocated - OLD.allocated, entries = entries - 1 WHERE pool = OLD.pool;
        UPDATE total SET allocated = allocated + NEW.allocated, entries = entries + 1 WHERE pool = NEW.pool;
    END""",
)
# What the operator said of tags, and what tags meant.
INVENTORY = (
    """CREATE TABLE override (
        authority TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
        expired_at REAL NOT NULL, held_until REAL NOT NULL,
        PRIMARY KEY (authority, repository, tag)
    )""",
    """CREATE TABLE distrusted (
        authority TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (authority, repository, tag, digest)
    )""",
    """CREATE TABLE history (
        authority TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL,
        media_type TEXT NOT NULL, size INTEGER NOT NULL, first_at REAL NOT NULL, last_at REAL NOT NULL,
        PRIMARY KEY (authority, repository, tag, digest)
    )""",
)
REFERENCE_BY_CHILD = "CREATE INDEX reference_by_child ON reference (child)"

# Which account, by its label, may read which repository: it did, at that time.
GRANTED = """CREATE TABLE granted (
    authority TEXT NOT NULL, repository TEXT NOT NULL, account TEXT NOT NULL, checked_at REAL NOT NULL,
    PRIMARY KEY (authority, repository, account)
)"""

STATEMENTS = (
    _CONTENT,
    *CONTENT_INDEXES,
    *EVICTION,
    """CREATE TABLE binding (
        authority TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL, accept TEXT NOT NULL,
        digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, fields TEXT NOT NULL,
        stored_at REAL NOT NULL, validated_at REAL NOT NULL, gone_at REAL, account TEXT NOT NULL,
        PRIMARY KEY (authority, repository, tag, accept)
    )""",
    """CREATE TABLE link (
        authority TEXT NOT NULL, repository TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL,
        media_type TEXT NOT NULL, size INTEGER NOT NULL, fields TEXT NOT NULL, checked_at REAL NOT NULL,
        proof TEXT NOT NULL,
        PRIMARY KEY (authority, repository, kind, digest)
    )""",
    "CREATE INDEX link_by_digest ON link (authority, digest)",
    """CREATE TABLE generic (
        authority TEXT NOT NULL, target TEXT NOT NULL, variant TEXT NOT NULL,
        digest TEXT NOT NULL, size INTEGER NOT NULL, fields TEXT NOT NULL,
        stored_at REAL NOT NULL, validated_at REAL NOT NULL,
        PRIMARY KEY (authority, target, variant)
    )""",
    GRANTED,
    """CREATE TABLE challenge (
        authority TEXT PRIMARY KEY, scheme TEXT NOT NULL, realm TEXT NOT NULL, service TEXT NOT NULL
    )""",
    """CREATE TABLE reference (
        manifest TEXT NOT NULL, child TEXT NOT NULL, PRIMARY KEY (manifest, child)
    ) WITHOUT ROWID""",
    REFERENCE_BY_CHILD,
    *INVENTORY,
)
