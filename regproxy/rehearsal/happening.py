"""What would happen to one request, on a virtual clock: the server's own decisions; nothing is sent or stored.

The caller may read what it asks for, and is alone: no fetch to join. Plan and verdict are those of `freshness`;
only how the server asks, by HEAD or GET, and when it asks twice, is told here again.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from regproxy.freshness.lifetime import Absent, Known, Validated
from regproxy.freshness.outcome import outcome_of_asking, outcome_of_serving
from regproxy.freshness.plan import Fetch, Pass, Plan, Refuse, Revalidate, Serve, plan
from regproxy.freshness.verdict import Answered, Failed, New, Same, Upstreamed
from regproxy.model.connect import ConnectDecision, Intercept
from regproxy.model.connect import Refuse as RefuseConnect
from regproxy.model.decision import Cached, Decision, Denied, FailureClass, Origin, Passed
from regproxy.model.event import Outcome
from regproxy.model.oci import Kind, Malformed, OtherPath, Ping, Resource, TokenRequest, classify, is_push
from regproxy.model.refusal import failure_status
from regproxy.model.registry import ClientAuth
from regproxy.policy.policy import Policy
from regproxy.policy.scenario import Circumstances, Gone, Stored, Working
from regproxy.rehearsal.reference import Rehearsed

NOW = 0.0
LISTS = frozenset({Kind.TAGS, Kind.REFERRERS, Kind.CATALOG})
TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Happening:
    """What comes of a request.

    Without `outcome` the client does not talk to us, and `status` is that of a refused CONNECT; or the origin decides
    (`fresh origin`): what it says of its answers is known when it answers, and not before. `plan` is there where
    the answer may be stored, `known` what of it is. `asked` are the methods with which the registry is asked before
    the client is answered; `client_auth` is what a client's own login is to the registry's block.
    """

    connect: ConnectDecision
    decision: Decision | None = None
    known: Known | None = None
    plan: Plan | None = None
    asked: tuple[str, ...] = ()
    outcome: Outcome | None = None
    status: int | None = None
    client_auth: ClientAuth = "preferred"


def happen(policy: Policy, rehearsed: Rehearsed, given: Circumstances) -> Happening:
    """Rehearse one request."""
    registry = policy.registry_of(rehearsed.authority)
    client_auth = registry.client_auth if registry is not None else "preferred"
    return replace(_happen(policy, rehearsed, given, client_auth), client_auth=client_auth)


def _happen(policy: Policy, rehearsed: Rehearsed, given: Circumstances, client_auth: ClientAuth) -> Happening:
    connect = policy.on_connect(rehearsed.authority, rehearsed.client, rehearsed.user)
    if not isinstance(connect, Intercept):
        return Happening(connect, status=connect.status if isinstance(connect, RefuseConnect) else None)
    target = classify(rehearsed.target)
    request = rehearsed.request
    if request is None or isinstance(target, Malformed | Ping | TokenRequest):
        return Happening(connect, outcome=Outcome.LOCAL, status=_status_here(target, rehearsed.method, client_auth))
    decision = policy.on_request(request)
    begun = _Begun(connect, decision, rehearsed.method, target, given)
    match decision:
        case Denied(status=status):
            return begun.ends(Outcome.DENIED, status)
        case Cached(terms=terms) if isinstance(terms.fresh, Origin) and _may_be_described(target, rehearsed.method):
            return Happening(connect, decision)
        case _ if isinstance(target, OtherPath):
            return begun.passed()
        case _ if is_push(rehearsed.method, target):
            registry = policy.registry_of(rehearsed.authority)
            allowed = registry is not None and registry.push
            return begun.passed() if allowed else begun.ends(Outcome.LOCAL, 405)
        case _ if rehearsed.method not in ("GET", "HEAD"):
            return begun.ends(Outcome.LOCAL, 405)
        case Passed():
            return begun.passed()
        case Cached():
            return begun.cached(decision, target) if _may_be_stored(target, rehearsed.method) else begun.passed()
        case _:
            assert_never(decision)


def _status_here(
    target: Ping | TokenRequest | Malformed | Resource | OtherPath, method: str, client_auth: ClientAuth
) -> int:
    """The status of what is answered a stranger without asking any tier: the challenge, the token, a refusal."""
    match target:
        case Malformed(status=status):
            return status
        case Ping():
            known = 200 if client_auth == "ours" else 401
            return known if method in ("GET", "HEAD") else 405
        case _:
            token = 401 if client_auth == "required" else 200
            return token if method in ("GET", "HEAD", "POST") else 405


def _may_be_stored(target: Resource, method: str) -> bool:
    """Whether answers of this kind are stored at all: tags, digests that can be verified, lists that are got."""
    match target:
        case Resource(kind=Kind.MANIFEST | Kind.BLOB, digest=digest) if digest is not None:
            return digest.verifiable
        case Resource(kind=Kind.MANIFEST):
            return True
        case _:
            return target.kind in LISTS and method == "GET"


def _may_be_described(target: Resource | OtherPath, method: str) -> bool:
    """Whether an answer's own fields may decide about it (`fresh origin`)."""
    return method in ("GET", "HEAD") and (isinstance(target, OtherPath) or target.kind in LISTS)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request that a tier, or none, has decided about."""

    connect: ConnectDecision
    decision: Decision
    method: str
    target: Resource | OtherPath
    given: Circumstances

    def ends(self, outcome: Outcome, status: int, *asked: str) -> Happening:
        return Happening(self.connect, self.decision, asked=asked, outcome=outcome, status=status)

    def passed(self) -> Happening:
        """Passed through: the client gets what the registry says."""
        match self._reply(self.method):
            case FailureClass() as failure:
                return self.ends(Outcome.ERROR, failure_status(failure), self.method)
            case Working():
                return self.ends(Outcome.PASS, 200, self.method)
            case status:
                return self.ends(Outcome.PASS, status, self.method)

    def cached(self, decision: Cached, target: Resource) -> Happening:
        """Planned and judged as the server does it."""
        known = _known(self.given.stored, target)
        step = plan(decision, known, NOW)
        asked: tuple[str, ...] = ()
        match step:
            case Serve():
                outcome = outcome_of_serving(step)
                status = 404 if step.negative else 200
            case Revalidate(within=within) if within is not None and self.given.upstream is Working.SLOW:
                asked, outcome, status = (_method(step, target, self.method),), Outcome.STALE, 200
            case Fetch() | Revalidate():
                asked, outcome, status = self._ask(step, decision, target, known)
            case Refuse() | Pass():
                raise AssertionError("only a tier that caches gets here")
            case _:
                assert_never(step)
        return Happening(self.connect, decision, known, step, asked, outcome, status)

    def _ask(
        self, step: Fetch | Revalidate, decision: Cached, target: Resource, known: Known | None
    ) -> tuple[tuple[str, ...], Outcome, int]:
        asked: tuple[str, ...] = (_method(step, target, self.method),)
        reply = self._reply(asked[0])
        limited = reply == TOO_MANY and self.given.quota_exhausted and target.tag is not None
        if limited and not isinstance(self.given.upstream, FailureClass):
            # A HEAD is free, and may name what is stored.
            asked, reply = ("GET", "HEAD"), self.given.upstream
        upstream = _upstreamed(reply, step, target)
        outcome = outcome_of_asking(decision.terms, known, upstream, NOW)
        counted = self.given.quota_exhausted and isinstance(step, Revalidate)
        if (self.method == "GET" or counted) and asked[-1] == "HEAD" and isinstance(upstream, New):
            # The tag means another manifest: it is got by digest, and that counts as a pull; until it is here the old
            # one may stand in. Where pulls are counted a HEAD does not name what cannot be got.
            asked = asked if limited else ("HEAD", "GET")
            if self._reply("GET") != TOO_MANY:
                return asked, outcome, 200
            upstream = Answered(TOO_MANY)
            outcome = outcome_of_asking(decision.terms, known, upstream, NOW)
        match upstream:
            case Answered(status) if outcome is not Outcome.STALE:
                return asked, outcome, status
            case Failed(failure) if outcome is not Outcome.STALE:
                return asked, outcome, failure_status(failure)
            case _:
                return asked, outcome, 200

    def _reply(self, method: str) -> Working | FailureClass | int:
        """What the registry says to a request: a pull limit counts GETs of manifests."""
        is_manifest = isinstance(self.target, Resource) and self.target.kind is Kind.MANIFEST
        if self.given.quota_exhausted and is_manifest and method == "GET":
            return TOO_MANY
        return self.given.upstream


def _known(stored: Stored | Gone | None, target: Resource) -> Known | None:
    """What the server has in each case: a tag that is gone keeps what it meant, of a digest its absence is kept."""
    match stored:
        case None:
            return None
        case Gone(age) if target.tag is not None:
            return Validated(NOW - age, gone_at=NOW - age)
        case Gone(age):
            return Absent(404, NOW - age)
        case Stored(age):
            return Validated(NOW - age)
        case _:
            assert_never(stored)


def _method(step: Fetch | Revalidate, target: Resource, method: str) -> str:
    """How the server asks: a list by GET; whether something still holds by HEAD, where the tier says nothing else."""
    if target.kind in LISTS:
        return "GET"
    match step:
        case Fetch():
            return method
        case Revalidate(method=how):
            return "HEAD" if target.tag is None or how == "head" else "GET"
        case _:
            assert_never(step)


def _upstreamed(reply: Working | FailureClass | int, step: Fetch | Revalidate, target: Resource) -> Upstreamed:
    """What the reply means for what is stored; what a digest names cannot move."""
    match reply:
        case FailureClass():
            return Failed(reply)
        case Working():
            moved = reply is Working.MOVED and (target.tag is not None or target.kind in LISTS)
            return New() if moved or isinstance(step, Fetch) else Same()
        case status:
            return Answered(status)
