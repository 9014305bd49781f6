"""Tokens for what we ask: one per authority, scope and account, asked for once, kept in memory only.

The token end point's dialect is the distribution project's (token authentication specification); an identity token is
exchanged in that of OAuth2.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never
from urllib.parse import urlencode

from regproxy.model.account import ANONYMOUS, Account
from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.login import IdentityToken, Password
from regproxy.model.message import Fields, Head
from regproxy.upstream.admission import Admission
from regproxy.upstream.authenticate import realm_of
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.single_flight import SingleFlight
from regproxy.upstream.small import small_body

MAX_TOKENS = 2048
_CLIENT = "regproxy"
MAX_TOKEN_ANSWER = 64 * 1024
_MAX_TOKEN = 16 * 1024
_DEFAULT_SECONDS, _LEAST_SECONDS, _MOST_SECONDS = 60.0, 10.0, 3600.0
_KEPT_SHARE = 0.9
_REFUSED = frozenset({400, 401, 403, 404})


@dataclass(frozen=True, slots=True)
class _Key:
    authority: Authority
    challenge: Challenge
    scope: str
    account: Account


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token until `until` on the clock; `token` None: the service refused with `status`."""

    token: str | None
    until: float
    status: int = 200


class Tokens:
    """Owns the tokens; `clock` is monotonic seconds."""

    def __init__(self, admission: Admission, clock: Callable[[], float]) -> None:
        self._admission = admission
        self._clock = clock
        self._kept: dict[_Key, _Kept] = {}
        self._flights: SingleFlight[_Key, _Kept] = SingleFlight()

    async def get(
        self,
        request: UpstreamRequest,
        challenge: Challenge,
        scope: str,
        account: Account = ANONYMOUS,
        login: Password | IdentityToken | None = None,
    ) -> str | int:
        """A token for this request's authority and `scope`, or the status with which the token service refuses one.

        `login` is what the account proves itself by. Raises UpstreamFailed: CREDENTIAL when the realm may not be asked
        or answers nonsense, else how it failed; and Limited while the token service limits us.
        """
        key = _Key(request.authority, challenge, scope, account)
        kept = self._kept.get(key)
        if kept is None or self._clock() >= kept.until:
            kept = await self._flights.run(key, lambda: self._ask(key, request, login))
        return kept.status if kept.token is None else kept.token

    def drop(
        self, request: UpstreamRequest, challenge: Challenge, scope: str, token: str, account: Account = ANONYMOUS
    ) -> None:
        """Forget a token that the registry refused; one that was renewed meanwhile stays."""
        key = _Key(request.authority, challenge, scope, account)
        kept = self._kept.get(key)
        if kept is not None and kept.token == token:
            del self._kept[key]

    def forget(self, account: Account | None, authority: Authority | None = None, scope: str = "") -> None:
        """Forget every token of an account, or of all; of an authority and a scope where they are given."""

        def goes(key: _Key) -> bool:
            there = authority in (None, key.authority) and scope in ("", key.scope)
            return account in (None, key.account) and there

        self._kept = {key: kept for key, kept in self._kept.items() if not goes(key)}

    async def close(self) -> None:
        """End what is under way and forget everything."""
        await self._flights.close()
        self._kept.clear()

    async def _ask(self, key: _Key, request: UpstreamRequest, login: Password | IdentityToken | None) -> _Kept:
        ask = token_request(request, key.challenge, key.scope, login)
        try:
            head, body = await small_body(self._admission, ask, MAX_TOKEN_ANSWER, key.account)
        except ValueError as error:
            raise _nonsense(ask, str(error)) from error
        kept = self._judge(ask, head, body)
        if len(self._kept) >= MAX_TOKENS:
            now = self._clock()
            self._kept = {key: kept for key, kept in self._kept.items() if kept.until > now}
            while len(self._kept) >= MAX_TOKENS:
                del self._kept[next(iter(self._kept))]
        self._kept[key] = kept
        return kept

    def _judge(self, ask: UpstreamRequest, head: Head, body: bytes) -> _Kept:
        if head.status in _REFUSED:
            return _Kept(None, self._clock() + _LEAST_SECONDS, head.status)
        if head.status != 200:
            raise _nonsense(ask, f"the token service answered {head.status}")
        try:
            token, seconds = parse_token(body)
        except ValueError as error:
            raise _nonsense(ask, str(error)) from error
        return _Kept(token, self._clock() + seconds * _KEPT_SHARE)


def token_request(
    request: UpstreamRequest, challenge: Challenge, scope: str, login: Password | IdentityToken | None = None
) -> UpstreamRequest:
    """What asks the realm for exactly this scope; raises UpstreamFailed(CREDENTIAL) by the realm rules.

    A GET, with Basic where there is a password; an identity token is posted as a form.
    """
    scheme, authority, target = realm_of(request.registry, request.authority, challenge.realm)
    asked = [("service", challenge.service)] if challenge.service else []
    ask = replace(request, scheme=scheme, authority=authority, purpose="token")
    fields: Fields = (("Accept", "application/json"),)
    match login:
        case IdentityToken(token=token):
            form = [("grant_type", "refresh_token"), ("client_id", _CLIENT), ("refresh_token", token), *asked]
            form += [("scope", scope)] if scope else []
            fields = (*fields, ("Content-Type", "application/x-www-form-urlencoded"))
            return replace(ask, method="POST", target=target, fields=fields, body=urlencode(form).encode())
        case Password():
            fields = (*fields, ("Authorization", login.authorization))
        case None:
            pass
        case _:
            assert_never(login)
    asked += [("scope", one) for one in scope.split()]
    target = with_query(target, urlencode(asked, safe=":/,"))
    return replace(ask, method="GET", target=target, fields=fields, body=None)


def with_query(target: str, query: str) -> str:
    """The target with more parameters behind those it has."""
    return f"{target}{'&' if '?' in target else '?'}{query}" if query else target


def parse_token(body: bytes) -> tuple[str, float]:
    """Token and lifetime in seconds (10 to 3600) of a token answer; ValueError, with a sentence, for anything else."""
    try:
        answer = json.loads(body, parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        raise ValueError("the token service's answer is no JSON") from error
    fields = answer if isinstance(answer, dict) else {}
    token = fields.get("token") or fields.get("access_token")
    if not isinstance(token, str) or not 0 < len(token) <= _MAX_TOKEN or not all("!" <= c <= "~" for c in token):
        raise ValueError("the token service's answer holds no usable token")
    seconds = fields.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = _DEFAULT_SECONDS
    return token, float(min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS))


def _nonsense(ask: UpstreamRequest, cause: str) -> UpstreamFailed:
    return UpstreamFailed(FailureClass.CREDENTIAL, f"{ask.authority.name}: {cause}")
