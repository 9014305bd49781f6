"""Where content stands among what may leave: a pool of small objects, and two queues of layers (S3-FIFO).

Small objects are most of all requests and hardly any bytes, so layers do not push them out. A layer begins in the
probation queue; what is used there goes on to the main queue, what is not leaves early and is remembered as a ghost.
(Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.)
"""

from dataclasses import dataclass

from regproxy.model.entry import Content
from regproxy.store.index import Tables

SMALL, PROBATION, MAIN = 0, 1, 2
LEASED = 3  # set aside for a while, by a manifest that was served
BRIEF, PINNED = 4, 5  # what tiers keep for a shorter time than the rest, and for a longer one
# For how long content is to be kept: the longest that a tier asked for. -1: none asked.
UNSAID, BRIEFLY, NORMALLY, LONGEST = -1, 0, 1, 2
SMALL_OBJECT = 1024**2  # bytes; manifests, configs, and most of a registry's blobs by number
SMALL_SHARE = 256 * 1024**2  # bytes that small objects may take, where a twentieth of the cache is less
MAX_USES = 3  # rounds of the main queue that a layer in demand stays
MIN_GHOSTS = 1024


@dataclass(frozen=True, slots=True)
class Total:
    """Allocated bytes and number of what is in one pool."""

    allocated: int
    entries: int


def totals(tables: Tables) -> tuple[Total, ...]:
    """How much is in each pool, by its number."""
    return tuple(
        Total(int(allocated or 0), int(entries or 0))
        for allocated, entries in tables.each("SELECT allocated, entries FROM total ORDER BY pool")
    )


def small_share(size: int) -> int:
    """What small objects may take of a cache of `size` bytes before they pay for what comes."""
    return min(max(size // 20, SMALL_SHARE), size // 2)


def pinned_share(size: int) -> int:
    """What pinned content may take of a cache of `size` bytes; beyond it the least recently used is as any other."""
    return size // 2


def home(keep: int, size: int, queue: int) -> int:
    """The pool in which content is at home; `queue` is that of a layer that is kept as any other."""
    if keep in (BRIEFLY, LONGEST):
        return BRIEF if keep == BRIEFLY else PINNED
    return SMALL if size <= SMALL_OBJECT else queue


def keep_so(tables: Tables, text: str, keep: int) -> None:
    """Content is to be kept so; less than was asked for before changes nothing."""
    row = tables.one("SELECT size, pool FROM content WHERE digest = ? AND keep < ?", text, keep)
    if row is None:
        return
    size, pool = (int(value or 0) for value in row)
    # What stands in a queue keeps its place there, and what is set aside comes home when its lease ends.
    stays = pool == LEASED or (keep == NORMALLY and pool != BRIEF)
    moved = pool if stays else home(keep, size, PROBATION)
    tables.change("UPDATE content SET keep = ?, pool = ? WHERE digest = ?", keep, moved, text)
    if moved != pool:
        place = last_place(tables, moved) + 1 if moved == PROBATION else 0
        tables.change("UPDATE content SET place = ? WHERE digest = ?", place, text)


def enter(tables: Tables, content: Content, verified: int) -> None:
    """A row for content that came; it must have none."""
    text = str(content.digest)
    pool = SMALL
    if content.size > SMALL_OBJECT:
        pool = MAIN if tables.change("DELETE FROM ghost WHERE digest = ?", text) else PROBATION
    place = last_place(tables, pool) + 1 if pool else 0
    tables.change(
        "INSERT INTO content VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
        *(text, content.size, content.allocated, content.last_used, verified, pool, place, UNSAID),
    )


def last_place(tables: Tables, pool: int) -> int:
    """The place at the end of a queue."""
    row = tables.one("SELECT place FROM content WHERE pool = ? AND pool > 0 ORDER BY place DESC LIMIT 1", pool)
    return int(row[0] or 0) if row else 0


def remember(tables: Tables, digests: list[str]) -> None:
    """Note layers that leave the probation queue; at most as many ghosts as the main queue has layers."""
    if not digests:
        return
    for text in digests:
        tables.change("INSERT OR REPLACE INTO ghost (digest) VALUES (?)", text)
    kept = max(totals(tables)[MAIN].entries, MIN_GHOSTS)
    tables.change("DELETE FROM ghost WHERE id <= (SELECT max(id) FROM ghost) - ?", kept)
