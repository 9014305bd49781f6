"""Who may be served what is stored: grants, per authority and repository.

A repository is public once strangers read it, and open to those who are lent a credential once that read it; both are
on disk, and are asked for again after `recheck`. What a caller with a login may read is what the registry let it read
within `recheck`; that is in memory, under an identity that shows nothing of the login.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar, assert_never

from regproxy.freshness.lifetime import age
from regproxy.model.account import ANONYMOUS, Account, Anonymous, Lent, Own
from regproxy.model.address import Authority
from regproxy.model.answer import Forget
from regproxy.store.content import Store

K = TypeVar("K")
V = TypeVar("V")

MAX_GRANTS = 100_000
MAX_LOGINS = 20_000

Place = tuple[Authority, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who wants to read where, and on which terms; times in seconds.

    `anyone`: the policy lets anyone read what is stored. `alone`: what is public to others does not count.
    """

    place: Place
    account: Account
    anyone: bool = False
    alone: bool = False
    recheck: float = 0.0
    stale_auth: float = 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """One own grant: the registry let this caller read there at that time, seconds since the epoch."""

    place: Place
    identity: str
    name: str
    at: float


class Grants:
    """Owns what callers with a login may read, which logins are good, and which repositories are not public."""

    def __init__(self, store: Store, clock: Callable[[], float], forget: Callable[[Forget], None]) -> None:
        self._store = store
        self._clock = clock
        self._forget = forget
        self._own: dict[tuple[Place, str], Held] = {}
        self._private: dict[Place, float] = {}
        # When anybody with a login last read there.
        self._read: dict[Place, float] = {}
        self._logins: dict[tuple[Authority, str], float] = {}

    # What a reader may do.

    async def as_of(self, reader: Reader) -> float | None:
        """How old what is stored must be for the reader; None: it is served nothing before the registry is asked.

        In seconds since the epoch: when the registry last let strangers, or the credential that the reader is lent,
        read there. What others were told since then it may keep from the reader: a repository may have become private.
        """
        if reader.anyone or self._within(reader, reader.recheck):
            return math.inf
        if reader.alone:
            return None
        lent = (reader.account.label,) if isinstance(reader.account, Lent) else ()
        return await self._store.granted_at(*reader.place, ANONYMOUS.label, *lent)

    def outlasts(self, reader: Reader) -> bool:
        """Whether the reader's grant holds while the registry cannot say."""
        return self._within(reader, reader.recheck + reader.stale_auth)

    def has_lapsed(self, reader: Reader) -> bool:
        """Whether the reader's grant is to be asked for again."""
        return self._held(reader) is not None and not self._within(reader, reader.recheck)

    def until(self, reader: Reader, as_of: float | None) -> float:
        """Until when a reader who was admitted so may be served without asking again, in seconds since the epoch.

        In the past, where it is to be asked about now: by the reader's own grant where that admits to everything, else
        by that of strangers or of the credential that is lent.
        """
        if as_of is None:
            return -math.inf
        if reader.anyone:
            return math.inf
        now, held = self._clock(), self._held(reader)
        at = as_of if as_of < math.inf else held.at if held is not None else now
        # A time that is still to come is of a clock that went back, and tells nothing.
        return at + reader.recheck if at <= now else -math.inf

    def _held(self, reader: Reader) -> Held | None:
        account = reader.account
        return self._own.get((reader.place, account.identity)) if isinstance(account, Own) else None

    def _within(self, reader: Reader, seconds: float) -> bool:
        held = self._held(reader)
        return held is not None and age(held.at, self._clock()) < seconds

    def is_private(self, reader: Reader) -> bool:
        """Whether strangers were refused there of late."""
        at = self._private.get(reader.place)
        return at is not None and age(at, self._clock()) < reader.recheck

    def needs_login(self, reader: Reader, *, extended: bool = False) -> bool:
        """Whether strangers were refused there of late, and others were let in: a login is what is missing.

        `extended`: the registry cannot be asked now, so that it may be longer ago.
        """
        now, longer = self._clock(), reader.stale_auth if extended else 0.0
        refused, read = self._private.get(reader.place), self._read.get(reader.place)
        if refused is None or read is None or age(refused, now) >= reader.recheck + longer:
            return False
        return age(read, now) < reader.recheck + reader.stale_auth

    # What the registry said.

    def learned(self, place: Place, account: Account, name: str = "") -> tuple[tuple[Authority, str, str, float], ...]:
        """The registry let the account read there; what of it is to be written down, as `Changes.granted` has it."""
        now = self._clock()
        match account:
            case Anonymous():
                self._private.pop(place, None)
                return ((*place, account.label, now),)
            case Own(identity=identity):
                _keep(self._own, (place, identity), Held(place, identity, name, now), MAX_GRANTS)
                _keep(self._read, place, now, MAX_GRANTS)
                return ()
            case Lent():
                return ((*place, account.label, now),)
            case _:
                assert_never(account)

    def refused(self, place: Place, account: Account) -> tuple[tuple[Authority, str, str], ...]:
        """The registry refused the account there; what of it is to be written down, as `Changes.withdrawn` has it."""
        match account:
            case Anonymous():
                _keep(self._private, place, self._clock(), MAX_GRANTS)
                return ((*place, account.label),)
            case Own(identity=identity):
                if self._own.pop((place, identity), None) is not None:
                    self._forget(Forget(*place))
                return ()
            case Lent():
                return ((*place, account.label),)
            case _:
                assert_never(account)

    def hidden(self, place: Place) -> None:
        """To strangers the registry says that nothing is there, which may mean that they may not read it."""
        _keep(self._private, place, self._clock(), MAX_GRANTS)

    # Logins.

    def is_good(self, authority: Authority, own: Own, seconds: float) -> bool:
        """Whether the registry accepted this login within so many seconds."""
        at = self._logins.get((authority, own.identity))
        return at is not None and age(at, self._clock()) < seconds

    def accepted(self, authority: Authority, own: Own) -> None:
        """The registry accepted the login."""
        _keep(self._logins, (authority, own.identity), self._clock(), MAX_LOGINS)

    def rejected(self, authority: Authority, own: Own) -> None:
        """The registry rejected the login: it opens nothing any more."""
        if self._logins.pop((authority, own.identity), None) is not None:
            for held in self.listed(authority, own.identity):
                self.refused(held.place, own)

    # For those who look after the proxy.

    def listed(self, authority: Authority | None = None, identity: str = "", repository: str = "") -> Iterator[Held]:
        """The own grants, of an authority, an identity (its beginning will do) and a repository where given."""
        for held in tuple(self._own.values()):
            there = authority in (None, held.place[0]) and repository in ("", held.place[1])
            if there and held.identity.startswith(identity):
                yield held

    def revoke(self, authority: Authority | None = None, identity: str = "", repository: str = "") -> int:
        """Take back what `listed` lists, and the verdicts on logins that it is of; how many grants that were."""
        revoked = tuple(self.listed(authority, identity, repository))
        for held in revoked:
            del self._own[held.place, held.identity]
            self._logins.pop((held.place[0], held.identity), None)
            self._read.pop(held.place, None)
            self._forget(Forget(*held.place))
        return len(revoked)


def _keep(table: dict[K, V], key: K, value: V, limit: int) -> None:
    """Put a row at the end; of a full table the oldest goes."""
    table.pop(key, None)
    while len(table) >= limit:
        del table[next(iter(table))]
    table[key] = value
