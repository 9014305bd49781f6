"""The tokens that callers with a login get from us: the login itself, sealed, for one registry and one scope.

Whoever shares the CA opens them, so a replica or a restarted proxy serves a pull that another one began. The login goes
on being asked for at the registry: a token says who asks, and never that it may.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import assert_never

from regproxy.cache.challenge import LOGIN_PREFIX
from regproxy.model.address import Authority
from regproxy.model.login import BearerToken, IdentityToken, Login, Password
from regproxy.tls.seal import Seal

PREFIX = f"{LOGIN_PREFIX}v1."
TOKEN_SECONDS = 3600
# Most clients never ask again for a token that is refused, so one that ran out in a pull still names its caller.
GRACE_SECONDS = 3600
MAX_LOGIN = 8 * 1024
MAX_SCOPE = 2 * 1024
_READING = frozenset({"pull", "*"})


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: the login that it stands for, what it may be used for, and until when."""

    login: Login
    scope: str
    until: float

    def reads(self, repository: str) -> bool:
        """Whether the scope covers reading this repository, or the catalog where it is empty."""
        return any(name == repository for name in readable(self.scope))


class LocalTokens:
    """Makes and reads tokens; `seal` gives the one in force, `clock` seconds since the epoch."""

    def __init__(self, seal: Callable[[], Seal], clock: Callable[[], float]) -> None:
        self._seal = seal
        self._clock = clock

    def issue(self, authority: Authority, login: Login, scope: str) -> str:
        """A token for this registry and scope; raises ValueError for a login or a scope that is too long."""
        if len(scope) > MAX_SCOPE:
            raise ValueError(f"the scope is longer than {MAX_SCOPE} characters")
        text = json.dumps({**_written(login), "scope": scope, "until": self._clock() + TOKEN_SECONDS}).encode()
        if len(text) - len(scope) > MAX_LOGIN:
            raise ValueError(f"the login is longer than {MAX_LOGIN} bytes")
        sealed = self._seal().close(text, str(authority).encode())
        return PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, authority: Authority, token: str) -> Claims | None:
        """What a token of ours says; None for another registry's, one that ran out long ago, and any other text."""
        encoded = token.removeprefix(PREFIX)
        try:
            sealed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            found = json.loads(self._seal().open(sealed, str(authority).encode()))
        except (binascii.Error, ValueError):
            return None
        claims = Claims(_login(found), found["scope"], found["until"])
        return claims if self._clock() < claims.until + GRACE_SECONDS else None


def readable(scope: str) -> Iterator[str]:
    """The repositories that a scope lets read (distribution token specification, resource scope grammar)."""
    for one in scope.split():
        kind, _, rest = one.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind.partition("(")[0] == "repository" and _READING & set(actions.split(",")):
            yield name
        elif (kind, name) == ("registry", "catalog"):
            yield ""


def _written(login: Login) -> dict[str, str]:
    match login:
        case Password(user=user, password=password):
            return {"user": user, "password": password}
        case IdentityToken(token=token):
            return {"identity": token}
        case BearerToken(token=token):
            return {"bearer": token}
        case _:
            assert_never(login)


def _login(found: dict[str, str]) -> Login:
    if "identity" in found:
        return IdentityToken(found["identity"])
    return BearerToken(found["bearer"]) if "bearer" in found else Password(found["user"], found["password"])
