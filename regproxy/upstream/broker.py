"""How an account proves itself to a registry: the value of Authorization that meets its challenge."""

import time
from collections.abc import Callable
from typing import assert_never

from regproxy.model.account import ANONYMOUS, Account, Anonymous, Lent, Own
from regproxy.model.address import Authority
from regproxy.model.credential_event import CredentialRejected, HelperFailed
from regproxy.model.entry import Challenge
from regproxy.model.event import Event
from regproxy.model.login import BearerToken, FromHelper, IdentityToken, Login, Password
from regproxy.upstream.authenticate import realm_of
from regproxy.upstream.failure import Rejected, UpstreamFailed
from regproxy.upstream.helper_answers import Helpers
from regproxy.upstream.limited import utc
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.tokens import Tokens

# A refused credential is not tried again at once: registries lock accounts after a few wrong passwords.
REJECTED_SECONDS = 30.0
MAX_REJECTED = 1024
_WRONG = 401  # of a token service: the credential as such; any other refusal is of this scope


class Broker:
    """Meets challenges for accounts; owns what was rejected of late. `clock`: seconds since the epoch."""

    def __init__(
        self,
        tokens: Tokens,
        report: Callable[[Event], None],
        clock: Callable[[], float] = time.time,
        helpers: Helpers | None = None,
    ) -> None:
        self._tokens = tokens
        self._report = report
        self._helpers = helpers if helpers is not None else Helpers(None)
        self._clock = clock
        self._rejected: dict[tuple[Authority, Account], tuple[float, Rejected]] = {}

    async def proof(self, request: UpstreamRequest, challenge: Challenge, scope: str, account: Account) -> str | None:
        """The value of Authorization; None where the account has none for this challenge.

        Raises Rejected for a credential that is refused, and what `Tokens.get` raises.
        """
        if not can_meet(challenge, account) or fitting(request, challenge, account) != account:
            return None
        self._refuse_rejected(request, account)
        login = await self._login(request, account)
        if isinstance(login, BearerToken):
            return f"Bearer {login.token}"
        if challenge.scheme == "basic" and isinstance(login, Password):
            return login.authorization
        if challenge.scheme == "basic":
            return None
        token = await self._tokens.get(request, challenge, scope, account, login)
        if (
            token == _WRONG
            and login is not None
            and (renewed := await self._renewed(request, account, login)) is not None
        ):
            self._tokens.forget(account)
            token = await self._tokens.get(request, challenge, scope, account, renewed)
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
        if not self._forget(account, proof):
            self.refuse_credential(request, account, proof)
        self._tokens.drop(request, challenge, scope, proof.removeprefix("Bearer "), account)

    def refuse_credential(self, request: UpstreamRequest, account: Account, proof: str) -> None:
        """The registry answered 401: raises Rejected where this was the credential itself, not a token got for it."""
        login = self._known(account)
        if isinstance(login, BearerToken) or (isinstance(login, Password) and proof == login.authorization):
            rejection = self._rejection(request, account, _WRONG)
            self._remember(request, account, rejection)
            raise rejection

    def renew(self, account: Account, authority: Authority | None = None, scope: str = "") -> None:
        """Let the account prove itself anew, at an authority and for a scope or for all.

        What it was given before tells nothing of now.
        """
        self._tokens.forget(account, authority, scope)

    def renew_all(self) -> None:
        """The same for all."""
        self._tokens.forget(None)

    async def close(self) -> None:
        """End what is under way and forget everything."""
        self._rejected.clear()
        await self._tokens.close()
        await self._helpers.close()

    # What a helper said is a login like any other, but for that it may have another one now.

    async def _login(self, request: UpstreamRequest, account: Account) -> Password | IdentityToken | BearerToken | None:
        login = _login(account)
        if not isinstance(login, FromHelper):
            return login
        said = await self._helpers.get(login, self._failed(request, login))
        if said.login is None:
            raise Rejected(f"{request.authority.name}: the proxy has no credential: {said.failure}", _WRONG)
        return said.login

    async def _renewed(
        self, request: UpstreamRequest, account: Account, refused: Login
    ) -> Password | IdentityToken | None:
        """What a helper says instead of what was refused; None where it says the same, or there is none."""
        login = _login(account)
        if not isinstance(login, FromHelper) or isinstance(refused, BearerToken):
            return None
        renewed = (await self._helpers.renewed(login, refused, self._failed(request, login))).login
        return renewed if renewed != refused else None

    def _failed(self, request: UpstreamRequest, login: FromHelper) -> Callable[[str], None]:
        """Who tells that this helper failed."""
        where = request.registry.name, request.authority.name
        return lambda why: self._report(HelperFailed(*where, login.command, why))

    def _known(self, account: Account) -> Login | None:
        login = _login(account)
        if not isinstance(login, FromHelper):
            return login
        said = self._helpers.last(login)
        return said.login if said is not None else None

    def _forget(self, account: Account, proof: str) -> bool:
        """Whether this was a password that a helper said, which is asked for anew."""
        login, known = _login(account), self._known(account)
        if not isinstance(login, FromHelper) or not isinstance(known, Password) or known.authorization != proof:
            return False
        self._helpers.drop(login, known)
        return True

    def _refuse_rejected(self, request: UpstreamRequest, account: Account) -> None:
        key = (request.authority, account)
        until, rejection = self._rejected.get(key, (0.0, None))
        if rejection is not None and self._clock() < until <= self._clock() + REJECTED_SECONDS:
            raise Rejected(rejection.detail, rejection.status)

    def _remember(self, request: UpstreamRequest, account: Account, rejection: Rejected) -> None:
        while len(self._rejected) >= MAX_REJECTED:
            del self._rejected[next(iter(self._rejected))]
        self._rejected[request.authority, account] = (self._clock() + REJECTED_SECONDS, rejection)
        if isinstance(account, Lent):
            where = request.registry.name, request.authority.name
            self._report(CredentialRejected(*where, account.label, rejection.detail))

    def _rejection(self, request: UpstreamRequest, account: Account, status: int) -> Rejected:
        """The failure in words that show where a secret lies, and nothing of it."""
        name = request.authority.name
        if not isinstance(account, Lent):
            return Rejected(f"{name}: the login was rejected ({status})", status)
        credential = account.credential
        said = self._helpers.last(credential.login) if isinstance(credential.login, FromHelper) else None
        read_at = said.at if said is not None else credential.read_at
        source = f" ({credential.source}, read at {utc(read_at)})" if credential.source else ""
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
        case Password() | BearerToken() | FromHelper():
            return challenge.scheme in ("bearer", "basic")
        case _:
            assert_never(login)


def _login(account: Account) -> Login | FromHelper | None:
    match account:
        case Anonymous():
            return None
        case Lent(credential=credential):
            return credential.login
        case Own(login=login):
            return login
        case _:
            assert_never(account)
