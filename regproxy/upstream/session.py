"""One logical request to a registry: what proves the account, the 401 that teaches us the challenge, and redirects.

What the cache uses. Everything that is not the final answer is swallowed here, in bounds.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from regproxy.model.account import ANONYMOUS, Account, Lent
from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.message import Head, without
from regproxy.model.registry import Registry
from regproxy.upstream.admission import Admission
from regproxy.upstream.authenticate import read_challenge
from regproxy.upstream.broker import Broker, can_meet, fitting
from regproxy.upstream.failure import Rejected, UpstreamFailed
from regproxy.upstream.gate import MAX_SWALLOWED, Gate
from regproxy.upstream.learning import Challenges, Learning
from regproxy.upstream.limited import Limited, OwnAnswer
from regproxy.upstream.redirects import MAX_REDIRECTS, follow, leads_on
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.small import PublicSink, SmallSink
from regproxy.upstream.transfer import Transfer

_SWALLOW_SECONDS = 2.0
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class OpenTransfer:
    """An answer whose final head is known; `request` is the one that got it, behind redirects.

    `account` is the one that was proved on the way: the anonymous one where the registry asked for nothing.
    """

    head: Head
    request: UpstreamRequest
    transfer: Transfer | OwnAnswer
    account: Account = ANONYMOUS

    def resume(self) -> None:
        """Go on after the sink took nothing."""
        self.transfer.resume()

    def cancel(self) -> None:
        """Give up."""
        self.transfer.cancel()

    async def finished(self) -> None:
        """Return when the body is whole; raises UpstreamFailed when it is not, or what the sink raised."""
        await self.transfer.finished()


class Upstream:
    """Requests to registries as the cache sees them; owns no state but what is under way."""

    def __init__(self, admission: Admission, broker: Broker, challenges: Challenges) -> None:
        self._admission = admission
        self._broker = broker
        self._learning = Learning(admission, challenges)

    async def open(
        self, request: UpstreamRequest, repository: str, sink: BodySink, account: Account = ANONYMOUS
    ) -> OpenTransfer:
        """One GET or HEAD on /v2/ as `account`, with a token where the registry asks for one.

        Returns when the final head is known and `sink` has it, whatever its status (a second 401 included); raises
        UpstreamFailed when there is none, Rejected when it is for the credential. What is public goes on without a
        credential that is lent so. While a limit stops the request the answer is our own 429.
        """
        try:
            return await self._open(request, repository, sink, account)
        except Limited as limited:
            return _limited(request, sink, limited)
        except Rejected as rejected:
            if not isinstance(account, Lent) or account.credential.on_reject != "anonymous":
                raise
            return await self.open(request, repository, PublicSink(sink, rejected))

    async def _open(self, request: UpstreamRequest, repository: str, sink: BodySink, given: Account) -> OpenTransfer:
        asked = replace(request, fields=without(request.fields, _CREDENTIALS))
        scope = _scope(asked, repository)
        known, account = self._learning.known(asked.authority), given
        if known is not None:
            account = fitting(asked, known, given)
            known = known if can_meet(known, account) else None
        proof, failure = await self._remembered(asked, known, scope, account)
        # Where the token service gave us nothing a moment ago, a 401 is final; where it failed, it may have moved.
        teachable = proof is not None or known is None or failure is not None

        def is_final(head: Head) -> bool:
            return not leads_on(asked, head) and not (teachable and _asks(asked, head, account))

        passed, opened = await self._step(_bearing(asked, proof), sink, is_final, account=account)
        if not passed and opened.head.status == 401:
            learned = read_challenge(opened.head.fields)
            assert learned is not None  # noqa: S101 -- the gate held this 401 back because it has one
            if failure is not None and learned == known:
                raise failure
            self._learning.learn(asked.authority, learned)
            account = fitting(asked, learned, given)
            if proof is not None:
                self._broker.refused(asked, learned, scope, account, proof)
            proof = again = await self._broker.proof(asked, learned, scope, account)

            def is_last(head: Head) -> bool:
                if head.status == 401 and again is not None:
                    self._broker.refuse_credential(asked, account, again)
                return not leads_on(asked, head)

            passed, opened = await self._step(_bearing(asked, proof), sink, is_last, account=account)
        if passed and opened.head.status == 401:
            self._learning.learn(asked.authority, read_challenge(opened.head.fields))
        by = account if proof is not None else ANONYMOUS
        return replace(opened if passed else await self._follow(opened, sink, account=account), account=by)

    async def _remembered(
        self, asked: UpstreamRequest, known: Challenge | None, scope: str, account: Account
    ) -> tuple[str | None, UpstreamFailed | None]:
        """A proof by the remembered challenge, and why there is none: the registry may name another service now."""
        try:
            return (await self._broker.proof(asked, known, scope, account) if known is not None else None), None
        except Rejected:
            raise
        except UpstreamFailed as error:
            return None, error

    def counts_pulls(self, request: UpstreamRequest, account: Account = ANONYMOUS) -> bool:
        """Whether pulls are counted, so that a GET of a manifest may be refused."""
        return self._admission.counts_pulls(request, account)

    def is_held(self, authority: Authority) -> bool:
        """Whether a limit, a row of failures or the operator keeps it from being asked."""
        return self._admission.is_held(authority)

    async def fetch(
        self, request: UpstreamRequest, repository: str, limit: int, account: Account = ANONYMOUS
    ) -> tuple[Head, bytes, Account]:
        """`open` with the whole body in memory, and the account that was proved.

        Raises ValueError when the body is larger than `limit` bytes.
        """
        sink = SmallSink(limit)
        opened = await self.open(request, repository, sink, account)
        try:
            await opened.finished()
        finally:
            opened.cancel()
        return opened.head, sink.body, opened.account

    async def relay(self, request: UpstreamRequest, sink: BodySink, *, follows: bool = False) -> OpenTransfer:
        """End to end, with the fields and credentials given; redirects are relayed unless `follows` (GET and HEAD)."""

        def is_final(head: Head) -> bool:
            return not (follows and leads_on(request, head))

        try:
            passed, opened = await self._step(request, sink, is_final, account=None)
            return opened if passed else await self._follow(opened, sink, account=None)
        except Limited as limited:
            return _limited(request, sink, limited)

    async def challenge(self, registry: Registry, authority: Authority, scheme: str) -> Challenge:
        """How the registry asks for credentials, as remembered or as GET /v2/ says; scheme `none`: it does not."""
        return await self._learning.ask(registry, authority, scheme)

    def renew(self, account: Account, place: tuple[Authority, str] | None = None) -> None:
        """Let the account prove itself anew the next time; for reading one repository of an authority, or anywhere."""
        if place is None:
            self._broker.renew(account)
        else:
            self._broker.renew(account, place[0], f"repository:{place[1]}:pull")

    def renew_all(self) -> None:
        """Let everybody prove themselves anew."""
        self._broker.renew_all()

    async def proof(
        self, registry: Registry, authority: Authority, scheme: str, scope: str, account: Account
    ) -> str | None:
        """The Authorization with which the account may do what the scope says; None where none is asked for.

        Raises Rejected, and UpstreamFailed.
        """
        ping = UpstreamRequest(authority, scheme, registry, "GET", "/v2/", (), "token")
        try:
            challenge = await self._learning.ask(registry, authority, scheme)
            return await self._broker.proof(ping, challenge, scope, account)
        except Limited as limited:
            raise UpstreamFailed(FailureClass.CREDENTIAL, limited.sentence, ours=True) from limited

    async def verify(
        self, registry: Registry, authority: Authority, scheme: str, repository: str, account: Account
    ) -> None:
        """Ask whether the account's login is good, with the token for a repository where the registry has tokens.

        Raises Rejected where it is not, and UpstreamFailed where that cannot be asked.
        """
        ping = UpstreamRequest(authority, scheme, registry, "GET", "/v2/", (), "token")
        self.renew(account)
        try:
            challenge = await self._learning.ask(registry, authority, scheme)
            if challenge.scheme == "bearer":
                await self.proof(registry, authority, scheme, _scope(ping, repository), account)
                return
            if challenge.scheme == "basic" and not can_meet(challenge, account):
                raise Rejected(f"{authority.name}: takes a user and a password only", 401)
            head, _, _ = await self.fetch(ping, repository, MAX_SWALLOWED, account)
        except Limited as limited:
            raise UpstreamFailed(FailureClass.CREDENTIAL, limited.sentence, ours=True) from limited
        except ValueError as error:
            raise UpstreamFailed(FailureClass.RESET, f"{authority.name}: {error}") from error
        if head.status in (401, 403):
            raise Rejected(f"{authority.name}: the login was rejected ({head.status})", head.status)
        if head.status >= 400:
            raise UpstreamFailed(FailureClass.CREDENTIAL, f"{authority.name}: GET /v2/ answered {head.status}")

    async def close(self) -> None:
        """End what is under way here and at the broker; the client is its maker's."""
        await self._learning.close()
        await self._broker.close()

    async def _step(
        self,
        request: UpstreamRequest,
        sink: BodySink,
        is_final: Callable[[Head], bool],
        *,
        account: Account | None = ANONYMOUS,
    ) -> tuple[bool, OpenTransfer]:
        """One exchange up to its head, and whether that was the final one; any other has ended when this returns."""
        gate = Gate(sink, is_final)
        transfer = await self._admission.open(request, gate, account)
        try:
            head = await transfer.head()
            if not gate.passed:
                # Read to its end, a short answer leaves the connection fit for the next request.
                with contextlib.suppress(UpstreamFailed, ValueError, TimeoutError):
                    await asyncio.wait_for(transfer.finished(), _SWALLOW_SECONDS)
                transfer.cancel()
        except BaseException:
            transfer.cancel()
            raise
        return gate.passed, OpenTransfer(head, request, transfer)

    async def _follow(
        self, opened: OpenTransfer, sink: BodySink, *, account: Account | None = ANONYMOUS
    ) -> OpenTransfer:
        first = opened.request.authority.name
        for _ in range(MAX_REDIRECTS):
            request = follow(opened.request, opened.head)
            if request is None:
                raise UpstreamFailed(FailureClass.RESET, f"{first}: answered {opened.head.status} where none was due")
            passed, opened = await self._step(request, sink, _final_behind(request, first), account=account)
            if passed:
                return opened
        raise UpstreamFailed(FailureClass.CONNECT, f"{first}: redirects more than {MAX_REDIRECTS} times")


def _limited(request: UpstreamRequest, sink: BodySink, limited: Limited) -> OpenTransfer:
    head, body = limited.answer()
    return OpenTransfer(head, request, OwnAnswer(head, b"" if request.method == "HEAD" else body, sink))


def _final_behind(request: UpstreamRequest, first: str) -> Callable[[Head], bool]:
    def is_final(head: Head) -> bool:
        if head.status == 401:
            # Its challenge is not the registry's: a client that obeyed it would log in to a stranger.
            name = request.authority.name
            raise UpstreamFailed(FailureClass.CREDENTIAL, f"{name}: asks for credentials behind a redirect of {first}")
        return not leads_on(request, head)

    return is_final


def _asks(request: UpstreamRequest, head: Head, account: Account) -> bool:
    """Whether this is a challenge that the account may meet."""
    challenge = read_challenge(head.fields) if head.status == 401 else None
    return challenge is not None and can_meet(challenge, fitting(request, challenge, account))


def _bearing(request: UpstreamRequest, proof: str | None) -> UpstreamRequest:
    if proof is None:
        return request
    return replace(request, fields=(*request.fields, ("Authorization", proof)))


def _scope(request: UpstreamRequest, repository: str) -> str:
    if repository:
        return f"repository:{repository}:pull"
    return "registry:catalog:*" if request.target.partition("?")[0] == "/v2/_catalog" else ""
