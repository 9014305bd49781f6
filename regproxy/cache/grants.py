"""Who may be served what is stored: grants, per authority and repository."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from regproxy.model.account import Account, Anonymous, Lent, Own
from regproxy.model.address import Authority
from regproxy.store.content import Store

Place = tuple[Authority, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who wants to read where."""

    place: Place
    account: Account


class Grants:
    """Knows who may read: a repository that strangers read is public, and that is on disk."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def admits(self, reader: Reader) -> bool:
        """Whether the reader may be served what is stored."""
        return await self._store.is_public(*reader.place)

    def learned(self, place: Place, account: Account) -> tuple[tuple[Authority, str, float], ...]:
        """The registry let the account read there; what of it is to be written down, as `Changes.public` has it."""
        match account:
            case Anonymous():
                return ((*place, self._clock()),)
            case Lent() | Own():
                return ()
            case _:
                assert_never(account)

    def refused(self, place: Place, account: Account) -> tuple[Place, ...]:
        """The registry refused the account there; what of it is to be written down, as `Changes.private` has it."""
        match account:
            case Anonymous():
                return (place,)
            case Lent() | Own():
                return ()
            case _:
                assert_never(account)
