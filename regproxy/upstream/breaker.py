"""A breaker per authority: after a row of failures without an answer nobody waits for the next one in vain.

While it is open requests fail at once, with the cause that opened it; then one request at a time probes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.event import BreakerChanged, Event
from regproxy.model.upstream_state import UpstreamState
from regproxy.upstream.failure import NotAsked, UpstreamFailed
from regproxy.upstream.limited import utc
from regproxy.upstream.request import UpstreamRequest

# Failures in a row that open it; a time-out makes a client wait for long, so it takes fewer. What is not here is no
# sign of an authority that is down: a credential that is refused is an answer.
FAILURES_TO_OPEN: Mapping[FailureClass, int] = {
    FailureClass.DNS: 5,
    FailureClass.CONNECT: 5,
    FailureClass.TLS: 5,
    FailureClass.RESET: 5,
    FailureClass.TIMEOUT: 3,
}
FIRST_OPEN_SECONDS, MAX_OPEN_SECONDS = 5.0, 60.0
MAX_BREAKERS = 1024


@dataclass(slots=True)
class _Breaker:
    registry: str
    failures: int = 0
    cause: UpstreamFailed | None = None
    seconds: float = 0.0
    until: float = 0.0
    probing: bool = False


class Breakers:
    """Owns the breakers of the authorities that failed of late; `clock` is seconds since the epoch."""

    def __init__(self, clock: Callable[[], float], report: Callable[[Event], None]) -> None:
        self._clock = clock
        self._report = report
        self._breakers: dict[Authority, _Breaker] = {}
        self._blocked: dict[Authority, float] = {}

    def block(self, authority: Authority, until: float) -> None:
        """Ask this authority nothing until then: the operator's word; raises ValueError for one too many."""
        self._blocked = {one: end for one, end in self._blocked.items() if end > self._clock()}
        if len(self._blocked) >= MAX_BREAKERS:
            raise ValueError(f"{MAX_BREAKERS} registries are blocked; unblock one of them first")
        self._blocked[authority] = until

    def unblock(self, authority: Authority) -> bool:
        """Ask it again, also where it failed in a row; whether it was blocked or failing."""
        breaker = self._breakers.pop(authority, None)
        if breaker is not None:
            self._closed(authority, breaker)
        return self._blocked.pop(authority, None) is not None or breaker is not None

    def states(self) -> tuple[UpstreamState, ...]:
        """Authorities that failed of late or are blocked."""
        now = self._clock()
        known = {*self._breakers, *(one for one, end in self._blocked.items() if end > now)}
        return tuple(self._state(authority, now) for authority in sorted(known))

    def holds(self, authority: Authority) -> bool:
        """Whether it is blocked, or failed in a row and did not answer since."""
        breaker = self._breakers.get(authority)
        return self._clock() < self._blocked.get(authority, 0.0) or (breaker is not None and breaker.seconds > 0)

    def _state(self, authority: Authority, now: float) -> UpstreamState:
        breaker, blocked = self._breakers.get(authority), self._blocked.get(authority, 0.0)
        cause = breaker.cause.detail if breaker is not None and breaker.cause is not None else ""
        until = breaker.until if breaker is not None and breaker.seconds else 0.0
        return UpstreamState(authority, cause, until, blocked_until=blocked if blocked > now else 0.0)

    def admit(self, request: UpstreamRequest) -> bool:
        """Whether the request is a probe; raises NotAsked while the breaker is open.

        Every request that is let through ends with `answered`, `failed` or `released`.
        """
        if self._clock() < self._blocked.get(request.authority, 0.0):
            until = utc(self._blocked[request.authority])
            sentence = f"{request.authority.name}: the operator wants it not to be asked until {until}"
            raise NotAsked(FailureClass.CONNECT, sentence)
        breaker = self._breakers.get(request.authority)
        if breaker is None or breaker.cause is None or not breaker.seconds:
            return False
        # One that ends too late is from before the clock was set back.
        if breaker.probing or self._clock() < breaker.until <= self._clock() + MAX_OPEN_SECONDS:
            cause = breaker.cause
            sentence = f"{cause.detail}; it failed in a row and is asked again at {utc(breaker.until)}"
            raise NotAsked(cause.failure, sentence)
        breaker.probing = True
        return True

    def answered(self, request: UpstreamRequest) -> None:
        """The authority answered, whatever it said: closed."""
        breaker = self._breakers.pop(request.authority, None)
        if breaker is not None:
            self._closed(request.authority, breaker)

    def failed(self, request: UpstreamRequest, error: UpstreamFailed, *, probe: bool) -> None:
        """No answer came; what fails for a reason of our own says nothing about the authority."""
        enough = FAILURES_TO_OPEN.get(error.failure)
        if error.ours or enough is None:
            self.released(request, probe=probe)
            return
        breaker = self._breakers.get(request.authority) or self._new(request)
        breaker.failures += 1
        breaker.cause = error
        if probe or (not breaker.seconds and breaker.failures >= enough):
            if not breaker.seconds:
                name = request.authority.name
                self._report(BreakerChanged(request.registry.name, name, is_open=True, cause=error.detail))
            breaker.seconds = min(max(FIRST_OPEN_SECONDS, breaker.seconds * 2), MAX_OPEN_SECONDS)
            breaker.until = self._clock() + breaker.seconds
        if probe:
            breaker.probing = False

    def released(self, request: UpstreamRequest, *, probe: bool) -> None:
        """The request was given up before it could tell: the next one may probe."""
        breaker = self._breakers.get(request.authority)
        if probe and breaker is not None:
            breaker.probing = False

    def _new(self, request: UpstreamRequest) -> _Breaker:
        while len(self._breakers) >= MAX_BREAKERS:
            oldest = next(iter(self._breakers))
            self._closed(oldest, self._breakers.pop(oldest))
        breaker = self._breakers[request.authority] = _Breaker(request.registry.name)
        return breaker

    def _closed(self, authority: Authority, breaker: _Breaker) -> None:
        if breaker.seconds:
            self._report(BreakerChanged(breaker.registry, authority.name, is_open=False))
