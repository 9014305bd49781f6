"""How every registry stands, for those who look after the proxy; and their word that one is not to be asked."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from regproxy.model.address import Authority
from regproxy.model.upstream_state import UpstreamState
from regproxy.upstream.breaker import Breakers
from regproxy.upstream.quota import Quota


class Standing:
    """Reads quota and breakers, which it does not own."""

    def __init__(self, quota: Quota, breakers: Breakers, clock: Callable[[], float]) -> None:
        self._quota = quota
        self._breakers = breakers
        self._clock = clock

    def states(self, named: Iterable[Authority]) -> tuple[UpstreamState, ...]:
        """These authorities, and all others that there is something to say about, in order."""
        found = {authority: UpstreamState(authority) for authority in named}
        found |= {one.authority: one for one in self._breakers.states()}
        for one in self._quota.states():
            known = found.get(one.authority, one)
            found[one.authority] = replace(known, held_until=one.held_until, allowed=one.allowed)
        return tuple(found[authority] for authority in sorted(found))

    def block(self, authority: Authority, seconds: float) -> float:
        """Ask it nothing for so long, until which is returned; raises ValueError for one too many."""
        until = self._clock() + seconds
        self._breakers.block(authority, until)
        return until

    def unblock(self, authority: Authority) -> bool:
        """Ask it again; whether anything kept it from being asked."""
        return self._breakers.unblock(authority)
