"""How an account proves itself to a registry: the value of Authorization that meets its challenge."""

import time
from collections.abc import Callable
from typing import assert_never

from regproxy.model.account import ANONYMOUS, Account, Anonymous, Lent, Own
from regproxy.model.address import Authority
from regproxy.model.entry import Challenge
from regproxy.model.login import BearerToken, IdentityToken, Login, Password
from regproxy.upstream.authenticate import realm_of
from regproxy.upstream.failure import Rejected, UpstreamFailed
from regproxy.upstream.limited import utc
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.tokens import Tokens

# A refused credential is not tried again at once: registries lock accounts after a few wrong passwords.
REJECTED_SECONDS = 30.0
MAX_REJECTED = 1024
_WRONG = 401  # of a token service: the credential as such; any other refusal is of this scope


class Broker:
    """Meets challenges for accounts; owns what was rejected of late. `clock` is seconds since the epoch."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._clock = clock
        self._rejected: dict[tuple[Authority, Account], tuple[float, Rejected]] = {}

    async def proof(self, request: UpstreamRequest, challenge: Challenge, scope: str, account: Account) -> str | None:
        """The value of Authorization; None where the account has none for this challenge.

        Raises Rejected for a credential that is refused, and what `Tokens.get` raises.
        """
        login = _login(account)
        if not can_meet(challenge, account) or fitting(request, challenge, account) != account:
            return None
        self._refuse_rejected(request, account)
        if isinstance(login, BearerToken):
            return f"Bearer {login.token}"
        if challenge.scheme == "basic" and isinstance(login, Password):
            return login.authorization
        token = await self._tokens.get(request, challenge, scope, account, login)
        if isinstance(token, str):
            return f"Bearer {token}"
        if isinstance(account, Anonymous):
            return None
        rejection = self._rejection(request, account, token)
        if token == _WRONG:
            self._remember(request, account, rejection)
        raise rejection

    def refused(self, request: UpstreamRequest, challenge: Challenge, scope: str, account: Account, proof: str) -> None:
        """The registry answered 401: forget the token that this was; raises Rejected where it was the credential."""
        self.refuse_credential(request, account, proof)
        self._tokens.drop(request, challenge, scope, proof.removeprefix("Bearer "), account)

    def refuse_credential(self, request: UpstreamRequest, account: Account, proof: str) -> None:
        """The registry answered 401: raises Rejected where this was the credential itself, not a token got for it."""
        login = _login(account)
        if isinstance(login, BearerToken) or (isinstance(login, Password) and proof == login.authorization):
            rejection = self._rejection(request, account, _WRONG)
            self._remember(request, account, rejection)
            raise rejection

    def renew(self, account: Account) -> None:
        """Let the account prove itself anew: what it was given before tells nothing of now."""
        self._tokens.forget(account)

    def renew_all(self) -> None:
        """The same for all."""
        self._tokens.forget(None)

    async def close(self) -> None:
        """End what is under way and forget everything."""
        self._rejected.clear()
        await self._tokens.close()

    def _refuse_rejected(self, request: UpstreamRequest, account: Account) -> None:
        key = (request.authority, account)
        until, rejection = self._rejected.get(key, (0.0, None))
        if rejection is not None and self._clock() < until <= self._clock() + REJECTED_SECONDS:
            raise Rejected(rejection.detail, rejection.status)

    def _remember(self, request: UpstreamRequest, account: Account, rejection: Rejected) -> None:
        while len(self._rejected) >= MAX_REJECTED:
            del self._rejected[next(iter(self._rejected))]
        self._rejected[request.authority, account] = (self._clock() + REJECTED_SECONDS, rejection)

    def _rejection(self, request: UpstreamRequest, account: Account, status: int) -> Rejected:
        """The failure in words that show where a secret lies, and nothing of it."""
        name = request.authority.name
        if not isinstance(account, Lent):
            return Rejected(f"{name}: the login was rejected ({status})", status)
        credential = account.credential
        source = f" ({credential.source}, read at {utc(credential.read_at)})" if credential.source else ""
        whose = f"the proxy's credential for {request.registry.name}{source}"
        return Rejected(f"{name}: {whose} was rejected at {utc(self._clock())} ({status})", status)


def fitting(request: UpstreamRequest, challenge: Challenge, account: Account) -> Account:
    """The account that goes on: nobody's where this challenge would show a lent credential to a host it is not for."""
    if not isinstance(account, Lent) or account.credential.present_to is None or challenge.scheme == "none":
        return account
    shown_to = request.authority
    if challenge.scheme == "bearer" and not isinstance(account.credential.login, BearerToken):
        try:
            shown_to = realm_of(request.registry, request.authority, challenge.realm)[1]
        except UpstreamFailed:
            return account  # a realm that may not be asked is refused, in words, where the token is
    return account if shown_to == account.credential.present_to else ANONYMOUS


def can_meet(challenge: Challenge, account: Account) -> bool:
    """Whether the account may have something that answers this challenge."""
    login = _login(account)
    match login:
        case None | IdentityToken():
            return challenge.scheme == "bearer"
        case Password() | BearerToken():
            return challenge.scheme in ("bearer", "basic")
        case _:
            assert_never(login)


def _login(account: Account) -> Login | None:
    match account:
        case Anonymous():
            return None
        case Lent(credential=credential):
            return credential.login
        case Own(login=login):
            return login
        case _:
            assert_never(account)
