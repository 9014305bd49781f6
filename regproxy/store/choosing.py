"""Which content leaves: read from the rows alone, so that the choice can be measured without a disk.

Every look frees a row, takes a use from it, moves it on, or sets it aside under a lease: so looking comes to an end.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from regproxy.model.entry import CacheLimits
from regproxy.store.index import Tables
from regproxy.store.pools import (
    BRIEF,
    LEASED,
    MAIN,
    NORMALLY,
    PINNED,
    PROBATION,
    SMALL,
    home,
    pinned_share,
    small_share,
    totals,
)

BATCH = 256  # files that one piece of work on the index's thread may remove
MAX_LOOKED = 1024  # rows that it may look at
LEASE = 600.0  # seconds for which a served manifest keeps what it refers to, and itself
_YOUNG = 0.1  # share of the layers' bytes that is on probation

CANDIDATES = (
    "SELECT digest, size, allocated, pool, uses, last_used, (SELECT max(m.last_used)"
    " FROM reference r JOIN content m ON m.digest = r.manifest"
    " WHERE (r.child = c.digest OR r.manifest = c.digest) AND m.last_used > ? AND m.last_used <= ?)"
    " FROM content c WHERE c.pool = ?"
)
BY_USE = "ORDER BY c.last_used"
BY_PLACE = "AND c.pool > 0 ORDER BY c.place"  # says what the partial index says


@dataclass(frozen=True, slots=True)
class Candidate:
    """Content that stands first; `leased` is when a manifest that refers to it was last served, within the lease."""

    digest: str
    size: int
    allocated: int
    pool: int
    uses: int
    last_used: float
    leased: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A candidate that stays: in which pool, with so many uses left, as if last used then.

    `until` is the place among the leased: the second in which the lease ends; elsewhere it goes to the end. `keep`: to
    be kept so from now on.
    """

    digest: str
    pool: int
    uses: int
    last_used: float
    until: int = 0
    keep: int | None = None


@dataclass(slots=True)
class Choice:
    """What shall leave and what moves back, of the `looked` rows that were looked at."""

    need: float
    gone: list[Candidate] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    looked: int = 0
    freed: int = 0

    @property
    def done(self) -> bool:
        """Whether this was enough for one piece of work."""
        return self.freed >= self.need or len(self.gone) >= BATCH or self.looked >= MAX_LOOKED

    def leave(self, row: Candidate) -> None:
        """The row leaves."""
        self.gone.append(row)
        self.freed += row.allocated

    def keep(self, row: Candidate, pool: int, uses: int) -> None:
        """The row stays, at the end of a queue."""
        self.kept.append(Kept(row.digest, pool, uses, row.last_used))

    def lease(self, row: Candidate, served: float) -> None:
        """The row is set aside until its lease ends; a lease counts as a use."""
        until = math.ceil(served + LEASE)
        self.kept.append(Kept(row.digest, LEASED, row.uses, max(row.last_used, served), until))


def choose(tables: Tables, need: int, limits: CacheLimits, now: float) -> Choice:
    """Choose for `need` bytes: what is kept briefly, small objects beyond their share, layers by the policy's rule.

    What is pinned does not leave, but beyond its share it is pinned no longer.
    """
    pools = totals(tables)
    small, probation, main = pools[SMALL], pools[PROBATION], pools[MAIN]
    choice = Choice(need)
    _end_leases(tables, choice, now)
    _unpin(tables, choice, pools[PINNED].allocated - pinned_share(limits.size), now)
    _least_recent(tables, choice, (BRIEF,), now)
    excess = small.allocated - small_share(limits.size)
    if excess > 0:
        choice.need = min(need, choice.freed + excess)
        _least_recent(tables, choice, (SMALL,), now)
        choice.need = need
    match limits.evict:
        case "lru":
            _least_recent(tables, choice, (PROBATION, MAIN), now)
        case "s3fifo":
            _s3fifo(tables, choice, probation.allocated, main.allocated, now)
    return choice


def choose_small(tables: Tables, need: int, now: float) -> Choice:
    """Choose among small objects, where no layer may leave."""
    choice = Choice(need)
    _least_recent(tables, choice, (SMALL,), now)
    return choice


def choose_pinned(tables: Tables, need: int, now: float) -> Choice:
    """Choose among what is pinned, where nothing else may leave."""
    choice = Choice(need)
    _least_recent(tables, choice, (PINNED,), now)
    return choice


def choose_unused(tables: Tables, before: float, now: float) -> Choice:
    """Choose what nobody used since `before`."""
    choice = Choice(math.inf)
    _end_leases(tables, choice, now)
    _least_recent(tables, choice, (SMALL, PROBATION, MAIN, BRIEF, PINNED), now, before)
    return choice


def oldest_use(tables: Tables) -> float | None:
    """When the content that nobody has used for the longest was last used; None: there is none."""
    (used,) = tables.one("SELECT min(used) FROM (SELECT min(last_used) AS used FROM content GROUP BY pool)") or (None,)
    return None if used is None else float(used)


def _least_recent(tables: Tables, choice: Choice, pools: tuple[int, ...], now: float, before: float = math.inf) -> None:
    queues = [_rows(tables, pool, BY_USE, now) for pool in pools]
    for row in heapq.merge(*queues, key=lambda row: row.last_used):
        if choice.done or row.last_used >= before:
            return
        choice.looked += 1
        if row.leased is None:
            choice.leave(row)
        else:
            choice.lease(row, row.leased)


def _s3fifo(tables: Tables, choice: Choice, young: int, old: int, now: float) -> None:
    probation, main = (_rows(tables, pool, BY_PLACE, now) for pool in (PROBATION, MAIN))
    while not choice.done:
        on_probation = young > _YOUNG * (young + old)
        row = next(probation if on_probation else main, None) or next(main if on_probation else probation, None)
        if row is None:
            return
        choice.looked += 1
        if row.pool == PROBATION:
            young -= row.allocated
        if row.leased is not None:
            choice.lease(row, row.leased)
        elif row.pool == PROBATION and row.uses:
            old += row.allocated
            choice.keep(row, MAIN, 0)
        elif row.uses:
            choice.keep(row, MAIN, row.uses - 1)
        else:
            old -= row.allocated if row.pool == MAIN else 0
            choice.leave(row)


def _unpin(tables: Tables, choice: Choice, excess: int, now: float) -> None:
    """Let go of as much as is pinned beyond its share, the least recently used first."""
    rows = _rows(tables, PINNED, BY_USE, now)
    while excess > 0 and not choice.done and (row := next(rows, None)) is not None:
        choice.looked += 1
        excess -= row.allocated
        choice.kept.append(Kept(row.digest, home(NORMALLY, row.size, MAIN), row.uses, row.last_used, keep=NORMALLY))


def _end_leases(tables: Tables, choice: Choice, now: float) -> None:
    """What was set aside goes home, to the end of its queue; a lease that was renewed meanwhile is seen there."""
    sql = (
        "SELECT digest, size, uses, last_used, keep FROM content"
        " WHERE pool = ? AND pool > 0 AND (place <= ? OR place > ?) LIMIT ?"
    )
    for digest, size, uses, last_used, keep in tables.each(sql, LEASED, now, now + 3 * LEASE, MAX_LOOKED):
        choice.looked += 1
        pool = home(int(keep or 0), int(size or 0), MAIN)
        choice.kept.append(Kept(str(digest), pool, int(uses or 0), float(last_used or 0)))


def _rows(tables: Tables, pool: int, order: str, now: float) -> Iterator[Candidate]:
    sql = f"{CANDIDATES} {order}, c.rowid LIMIT ?"
    # A time in the future is what a clock that was set back left: it must not lease for years.
    for digest, size, allocated, own, uses, last_used, leased in tables.each(
        sql, now - LEASE, now + LEASE, pool, MAX_LOOKED
    ):
        yield Candidate(
            str(digest),
            int(size or 0),
            int(allocated or 0),
            int(own or 0),
            int(uses or 0),
            float(last_used or 0),
            None if leased is None else float(leased),
        )
