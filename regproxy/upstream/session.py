"""One logical request to a registry: our anonymous token, the 401 that teaches us the challenge, and redirects.

What the cache uses. Everything that is not the final answer is swallowed here, in bounds.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.message import Fields, Head, only, without
from regproxy.model.registry import Registry
from regproxy.upstream.admission import Admission
from regproxy.upstream.authenticate import read_challenge, realm_of
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.gate import MAX_SWALLOWED, Gate
from regproxy.upstream.limited import Limited, OwnAnswer
from regproxy.upstream.quota import ANONYMOUS
from regproxy.upstream.redirects import MAX_REDIRECTS, follow, leads_on
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.single_flight import SingleFlight
from regproxy.upstream.small import SmallSink, small_body
from regproxy.upstream.tokens import MAX_TOKEN_ANSWER, Tokens, with_query
from regproxy.upstream.transfer import Transfer

_SWALLOW_SECONDS = 2.0
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Challenges(Protocol):
    """Where what we learned of an authority is kept, over restarts."""

    def get(self, authority: Authority) -> Challenge | None:
        """The challenge last seen, if any."""
        ...

    def put(self, authority: Authority, challenge: Challenge) -> None:
        """Remember it."""
        ...


@dataclass(frozen=True, slots=True)
class OpenTransfer:
    """An answer whose final head is known; `request` is the one that got it, behind redirects."""

    head: Head
    request: UpstreamRequest
    transfer: Transfer | OwnAnswer

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

    def __init__(self, admission: Admission, tokens: Tokens, challenges: Challenges) -> None:
        self._admission = admission
        self._tokens = tokens
        self._challenges = challenges
        self._learning: SingleFlight[Authority, Challenge] = SingleFlight()

    async def open(self, request: UpstreamRequest, repository: str, sink: BodySink) -> OpenTransfer:
        """One anonymous GET or HEAD on /v2/ with our own token where the registry asks for one.

        Returns when the final head is known and `sink` has it, whatever its status (a second 401 included); raises
        UpstreamFailed when there is none. While a limit stops the request the answer is our own 429.
        """
        try:
            return await self._open(request, repository, sink)
        except Limited as limited:
            return _limited(request, sink, limited)

    async def _open(self, request: UpstreamRequest, repository: str, sink: BodySink) -> OpenTransfer:
        asked = replace(request, fields=without(request.fields, _CREDENTIALS))
        scope = _scope(asked, repository)
        challenge = self._challenges.get(asked.authority)
        bearer = challenge if challenge is not None and challenge.scheme == "bearer" else None
        token, failure = await self._remembered(asked, bearer, scope)
        # Where the token service gave us nothing a moment ago, a 401 is final; where it failed, it may have moved.
        teachable = token is not None or bearer is None or failure is not None

        def is_final(head: Head) -> bool:
            return not leads_on(asked, head) and not (teachable and _asks_for_bearer(head))

        passed, opened = await self._step(_bearing(asked, token), sink, is_final)
        if not passed and opened.head.status == 401:
            learned = read_challenge(opened.head.fields)
            assert learned is not None  # noqa: S101 -- the gate held this 401 back because it has one
            if failure is not None and learned == bearer:
                raise failure
            self._learn(asked.authority, learned)
            if token is not None:
                self._tokens.drop(asked, learned, scope, token)
            token = await self._tokens.get(asked, learned, scope)
            passed, opened = await self._step(_bearing(asked, token), sink, lambda head: not leads_on(asked, head))
        if passed and opened.head.status == 401:
            self._learn(asked.authority, read_challenge(opened.head.fields))
        return opened if passed else await self._follow(opened, sink)

    async def _remembered(
        self, asked: UpstreamRequest, bearer: Challenge | None, scope: str
    ) -> tuple[str | None, UpstreamFailed | None]:
        """A token by the remembered challenge, and why there is none: the registry may name another service now."""
        try:
            return (await self._tokens.get(asked, bearer, scope) if bearer is not None else None), None
        except UpstreamFailed as error:
            return None, error

    def counts_pulls(self, request: UpstreamRequest) -> bool:
        """Whether pulls are counted, so that a GET of a manifest may be refused."""
        return self._admission.counts_pulls(request)

    async def fetch(self, request: UpstreamRequest, repository: str, limit: int) -> tuple[Head, bytes]:
        """`open` with the whole body in memory; raises ValueError when it is larger than `limit` bytes."""
        sink = SmallSink(limit)
        opened = await self.open(request, repository, sink)
        try:
            await opened.finished()
        finally:
            opened.cancel()
        return opened.head, sink.body

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
        known = self._challenges.get(authority)
        if known is not None:
            return known
        ping = UpstreamRequest(authority, scheme, registry, "GET", "/v2/", (), "token")
        return await self._learning.run(authority, lambda: self._ping(ping))

    async def relay_token(
        self,
        registry: Registry,
        authority: Authority,
        scheme: str,
        *,
        fields: Fields,
        query: str = "",
        form: bytes | None = None,
    ) -> tuple[Head, bytes]:
        """Forward a client's own token request, credentials included, to the registry's token service.

        GET with `query`, or POST where there is a `form`; the client's `service` named us and gives way to the
        registry's. Raises UpstreamFailed, and ValueError when the registry has no token service.
        """
        challenge = await self.challenge(registry, authority, scheme)
        if challenge.scheme != "bearer":
            raise ValueError(f"{authority.name} has no token service")
        realm_scheme, host, target = realm_of(registry, authority, challenge.realm)
        kept = only(fields, frozenset({"authorization", "accept"}))
        if form is None:
            target = with_query(target, _with_service(query, challenge.service))
            ask = UpstreamRequest(host, realm_scheme, registry, "GET", target, kept, "token")
        else:
            kept = (*kept, ("Content-Type", "application/x-www-form-urlencoded"))
            body = _with_service(form.decode("latin-1"), challenge.service).encode("latin-1")
            ask = UpstreamRequest(host, realm_scheme, registry, "POST", target, kept, "token", body)
        try:
            return await small_body(self._admission, ask, MAX_TOKEN_ANSWER, account=None)
        except Limited as limited:
            return limited.answer()
        except ValueError as error:
            raise UpstreamFailed(FailureClass.CREDENTIAL, f"{host.name}: {error}") from error

    async def close(self) -> None:
        """End what is under way here and in the tokens; the client is its maker's."""
        await self._learning.close()
        await self._tokens.close()

    async def _step(
        self,
        request: UpstreamRequest,
        sink: BodySink,
        is_final: Callable[[Head], bool],
        *,
        account: str | None = ANONYMOUS,
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

    async def _follow(self, opened: OpenTransfer, sink: BodySink, *, account: str | None = ANONYMOUS) -> OpenTransfer:
        first = opened.request.authority.name
        for _ in range(MAX_REDIRECTS):
            request = follow(opened.request, opened.head)
            if request is None:
                raise UpstreamFailed(FailureClass.RESET, f"{first}: answered {opened.head.status} where none was due")
            passed, opened = await self._step(request, sink, _final_behind(request, first), account=account)
            if passed:
                return opened
        raise UpstreamFailed(FailureClass.CONNECT, f"{first}: redirects more than {MAX_REDIRECTS} times")

    async def _ping(self, ping: UpstreamRequest) -> Challenge:
        name = ping.authority.name
        try:
            head, _ = await small_body(self._admission, ping, MAX_SWALLOWED)
        except Limited as limited:
            raise UpstreamFailed(FailureClass.CREDENTIAL, limited.sentence, ours=True) from limited
        except ValueError as error:
            raise UpstreamFailed(FailureClass.RESET, f"{name}: {error}") from error
        learned = read_challenge(head.fields) if head.status == 401 else Challenge("none")
        if learned is None:
            raise UpstreamFailed(FailureClass.CREDENTIAL, f"{name}: asks for credentials in a way that we do not know")
        if head.status >= 500:
            raise UpstreamFailed(FailureClass.CREDENTIAL, f"{name}: GET /v2/ answered {head.status}")
        self._learn(ping.authority, learned)
        return learned

    def _learn(self, authority: Authority, challenge: Challenge | None) -> None:
        if challenge is not None and self._challenges.get(authority) != challenge:
            self._challenges.put(authority, challenge)


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


def _asks_for_bearer(head: Head) -> bool:
    challenge = read_challenge(head.fields) if head.status == 401 else None
    return challenge is not None and challenge.scheme == "bearer"


def _bearing(request: UpstreamRequest, token: str | None) -> UpstreamRequest:
    if token is None:
        return request
    return replace(request, fields=(*request.fields, ("Authorization", f"Bearer {token}")))


def _scope(request: UpstreamRequest, repository: str) -> str:
    if repository:
        return f"repository:{repository}:pull"
    return "registry:catalog:*" if request.target.partition("?")[0] == "/v2/_catalog" else ""


def _with_service(query: str, service: str) -> str:
    pairs = [(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if key != "service"]
    return urlencode([*pairs, ("service", service)] if service else pairs)
