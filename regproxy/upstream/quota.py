"""Limits on what we ask for: holds after a 429, the pulls that registries say are left, and the policy's own cap.

A pull limit stops GETs of manifests of its account, which are what registries count; any other 429 stops all requests
to its authority. When a hold's time is over one request is the probe; its answer ends the hold or begins the next.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from regproxy.model.account import ANONYMOUS, OWN_LABEL, Account, Own
from regproxy.model.address import Authority
from regproxy.model.event import Event, QuotaObserved, UpstreamThrottled
from regproxy.model.message import Head, printable
from regproxy.model.pull_event import HoldChanged, PullSpent
from regproxy.model.upstream_state import Allowed, UpstreamState
from regproxy.upstream.limited import Limited, utc
from regproxy.upstream.ratelimit import (
    MAX_HOLD_SECONDS,
    Allowance,
    is_pull,
    read_allowance,
    read_retry_after,
    reason_of,
)
from regproxy.upstream.request import UpstreamRequest

K = TypeVar("K")
V = TypeVar("V")

FIRST_HOLD_SECONDS = 60.0
MAX_KEPT = 1024
_EVERY_ACCOUNT = ""


@dataclass(frozen=True, slots=True)
class _Key:
    """Whom a hold stops: an account's pulls, by its label, or with that empty all requests to the authority."""

    authority: Authority
    account: str


@dataclass(slots=True)
class Hold:
    """Nothing is sent before `until`, nor while a probe is on its way; `backoff` is what a wait of our own was last."""

    until: float
    backoff: float = 0.0
    probing: bool = False

    def stands(self, now: float) -> bool:
        """Whether it stops a request now; one that ends too late is from before the clock was set back."""
        return self.probing or now < self.until <= now + MAX_HOLD_SECONDS


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one request; `account` None: the client's own, of which we know nothing.

    `order` counts the permits; `pull`: whose pull it is, where it counts as one.
    """

    request: UpstreamRequest
    account: Account | None
    at: float
    order: int
    probes: dict[_Key, Hold] = field(default_factory=dict)
    pull: _Key | None = None


class Quota:
    """Owns holds, allowances and the ledger of our pulls; `clock` is seconds since the epoch."""

    def __init__(self, clock: Callable[[], float], report: Callable[[Event], None]) -> None:
        self._clock = clock
        self._report = report
        self._holds: dict[_Key, Hold] = {}
        self._allowances: dict[_Key, Allowance] = {}
        self._ledgers: dict[Authority, deque[float]] = {}
        # The order of the permit whose answer told the allowance.
        self._told_by: dict[_Key, int] = {}
        self._under_way: dict[_Key, int] = {}
        self._permits = 0

    def admit(self, request: UpstreamRequest, account: Account | None) -> Permit:
        """Leave to send a request, as a probe where a hold's time is over; raises Limited while a limit stops it.

        Every permit ends with `answered`, `limited` or `released`.
        """
        now = self._clock()
        pull = _pull(request, account)
        keys = (_Key(request.authority, _EVERY_ACCOUNT), pull)
        probes = {key: self._holds[key] for key in keys if key is not None and key in self._holds}
        for key, hold in probes.items():
            if hold.stands(now):
                raise self._held(key, hold, now)
        if pull is not None:
            if not isinstance(account, Own):
                self._spare(request, pull, now)
            self._charge(request, now)
            self._under_way[pull] = self._under_way.get(pull, 0) + 1
        for hold in probes.values():
            hold.probing = True
        self._permits += 1
        return Permit(request, account, now, self._permits, probes, pull)

    def is_crowded(self, request: UpstreamRequest, account: Account | None) -> bool:
        """Whether as many pulls are under way as the registry said are left to it, and none is known to be refused."""
        pull = _pull(request, account)
        known = self._allowances.get(pull) if pull is not None else None
        if pull is None or known is None or pull in self._holds:
            return False
        kept = 0 if isinstance(account, Own) else _kept(request)
        return self._under_way.get(pull, 0) >= max(1, known.remaining - kept)

    def answered(self, permit: Permit, head: Head) -> None:
        """The registry answered, and not 429: a probe's hold ends, unless the answer says nothing about it."""
        self._observe(permit, head)
        self._end(permit, counted=head.status != 401)
        if head.status == 401 or head.status >= 500:
            return
        for key, hold in permit.probes.items():
            if self._holds.get(key) is hold:
                del self._holds[key]
                self._tell(key, permit, 0.0)

    def released(self, permit: Permit) -> None:
        """No answer came: the next request may probe."""
        self._end(permit, counted=False)

    def limited(self, permit: Permit, head: Head, body: bytes) -> Limited:
        """The registry answered 429; a client's own account holds up nobody else, but as a probe it prolongs a hold."""
        self._observe(permit, head)
        self._end(permit, counted=False)
        now = self._clock()
        authority = permit.request.authority
        reason = reason_of(permit.request, head, body) if permit.account is not None else "client"
        source = printable(head.get("docker-ratelimit-source") or "", 100)
        self._report(UpstreamThrottled(permit.request.registry.name, authority.name, reason, source))
        every = _Key(authority, _EVERY_ACCOUNT)
        alone = reason == "pull_limit" or (isinstance(permit.account, Own) and every not in permit.probes)
        key = _Key(authority, permit.account.label) if permit.account is not None and alone else every
        begins = permit.account is not None or permit.probes
        return self._held(key, self._prolong(key, permit, head, now) if begins else Hold(now), now)

    def counts(self, request: UpstreamRequest, account: Account = ANONYMOUS) -> bool:
        """Whether a pull of this account may be refused: they are counted, one was refused, or there is a cap."""
        key = _Key(request.authority, account.label)
        held = key in self._holds or _Key(request.authority, _EVERY_ACCOUNT) in self._holds
        return held or key in self._allowances or request.registry.pulls is not None

    def holds(self, authority: Authority) -> bool:
        """Whether this authority limits any of us now."""
        now = self._clock()
        return any(key.authority == authority and hold.stands(now) for key, hold in self._holds.items())

    def states(self) -> tuple[UpstreamState, ...]:
        """Authorities that said what is left, or hold us up; callers' own accounts are their own affair."""
        now = self._clock()
        allowed: dict[Authority, list[Allowed]] = {}
        for key, one in self._allowances.items():
            if not key.account.startswith(OWN_LABEL):
                told = Allowed(key.account, one.limit, one.remaining, one.window, one.observed_at)
                allowed.setdefault(key.authority, []).append(told)
        ours = {key: hold for key, hold in self._holds.items() if not key.account.startswith(OWN_LABEL)}
        held = {key.authority: hold.until for key, hold in ours.items() if hold.stands(now)}
        return tuple(
            UpstreamState(one, held_until=held.get(one, 0.0), allowed=tuple(allowed.get(one, ())))
            for one in sorted({*allowed, *held})
        )

    def _prolong(self, key: _Key, permit: Permit, head: Head, now: float) -> Hold:
        """The hold after a 429: the first, the next after a probe, or the one that another answer began meanwhile."""
        old = self._holds.get(key)
        asked = read_retry_after(head.fields, now)
        if old is not None and old is not permit.probes.get(key) and old.stands(now):
            old.until = max(old.until, now + (asked or 0.0))
            self._tell(key, permit, old.until)
            return old
        backoff = old.backoff if old is not None else 0.0
        if asked is None:
            backoff = min(max(FIRST_HOLD_SECONDS, backoff * 2), MAX_HOLD_SECONDS)
        hold = Hold(now + (backoff if asked is None else asked), backoff)
        _keep(self._holds, key, hold)
        self._tell(key, permit, hold.until)
        return hold

    def _tell(self, key: _Key, permit: Permit, until: float) -> None:
        """Report a hold; of a caller's own login it is the caller's affair."""
        if key.account == _EVERY_ACCOUNT or not isinstance(permit.account, Own):
            self._report(HoldChanged(permit.request.registry.name, key.account or "all", until))

    def _end(self, permit: Permit, *, counted: bool) -> None:
        for hold in permit.probes.values():
            hold.probing = False
        if permit.pull is None:
            return
        left = self._under_way[permit.pull] - 1
        if left:
            self._under_way[permit.pull] = left
        else:
            del self._under_way[permit.pull]
        ledger = self._ledgers.get(permit.request.authority)
        if counted and permit.account is not None:
            account = "own" if isinstance(permit.account, Own) else permit.account.label
            self._report(PullSpent(permit.request.registry.name, account))
        elif not counted and ledger is not None and permit.at in ledger:
            ledger.remove(permit.at)

    def _spare(self, request: UpstreamRequest, pull: _Key, now: float) -> None:
        """Raise Limited where the registry leaves no more pulls than are kept for others.

        What it said holds for the window that it counts in; every answer, to a HEAD too, says it anew.
        """
        known, kept = self._allowances.get(pull), _kept(request)
        if known is None or not kept or known.remaining > kept:
            return
        until = known.observed_at + (known.window or MAX_HOLD_SECONDS)
        if known.observed_at <= now < until:
            left = f"{request.authority.name} leaves account {pull.account} {known.remaining} pulls"
            raise Limited(f"{left}, {_kept_in_words(request)}", until - now)

    def _charge(self, request: UpstreamRequest, now: float) -> None:
        """Count a pull against the policy's cap; raises Limited when it is reached."""
        cap = request.registry.pulls
        if cap is None:
            return
        ledger = self._ledgers.get(request.authority)
        if ledger is None:
            ledger = deque()
            _keep(self._ledgers, request.authority, ledger)
        while ledger and not now - cap.seconds < ledger[0] <= now:
            ledger.popleft()
        allowed = cap.count - _kept(request)
        if len(ledger) >= allowed:
            until = ledger[len(ledger) - allowed] + cap.seconds
            span = f"{cap.count} in {cap.seconds / 3600:g} h"
            whose = f"the policy's limit on pulls from {request.authority.name} ({span})"
            kept = f", {_kept_in_words(request)}," if allowed < cap.count else ""
            raise Limited(f"{whose}{kept} is reached until {utc(until)}", until - now)
        ledger.append(now)

    def _held(self, key: _Key, hold: Hold, now: float) -> Limited:
        name, until = key.authority.name, utc(max(hold.until, now))
        if key.account == _EVERY_ACCOUNT:
            return Limited(f"{name} limits the requests of this proxy (429); asked again at {until}", hold.until - now)
        known = self._allowances.get(key)
        span = f"{known.limit} in {known.window / 3600:g} h, " if known is not None and known.window else ""
        whose = f"the pull limit of {name} ({span}account {key.account})"
        return Limited(f"{whose} is used up; asked again at {until}", hold.until - now)

    def _observe(self, permit: Permit, head: Head) -> None:
        allowance = read_allowance(head.fields, self._clock())
        if allowance is None or permit.account is None:
            return
        key = _Key(permit.request.authority, permit.account.label)
        known = self._allowances.get(key)
        if known is not None and permit.order < self._told_by.get(key, 0):
            # An answer that was overtaken knows nothing of what was pulled meanwhile: it takes away, but gives nothing.
            allowance = replace(allowance, remaining=min(allowance.remaining, known.remaining))
        else:
            _keep(self._told_by, key, permit.order)
        _keep(self._allowances, key, allowance)
        if isinstance(permit.account, Own):
            return  # what a caller's own login has left is the caller's affair
        name, label = permit.request.registry.name, permit.account.label
        told = QuotaObserved(name, label, allowance.limit, allowance.remaining, allowance.observed_at, allowance.window)
        self._report(told)


def _pull(request: UpstreamRequest, account: Account | None) -> _Key | None:
    """Whose pull the request is; None where it counts for nobody that we know."""
    return _Key(request.authority, account.label) if account is not None and is_pull(request) else None


def _kept(request: UpstreamRequest) -> int:
    """How many of the pulls that are left are not for this request."""
    reserve = request.registry.reserve
    return 0 if reserve is None or request.has_reserve else reserve.pulls


def _kept_in_words(request: UpstreamRequest) -> str:
    reserve = request.registry.reserve
    return f"of which {reserve.pulls} are kept for client-group {reserve.group.name}" if reserve is not None else ""


def _keep(table: dict[K, V], key: K, value: V) -> None:
    """Put a row; of a full table the oldest goes."""
    table.pop(key, None)
    while len(table) >= MAX_KEPT:
        del table[next(iter(table))]
    table[key] = value
