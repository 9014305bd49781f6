"""What proves who asks a registry: a user and password, an identity token, or a bearer token; printable nowhere."""

import base64
import binascii
from dataclasses import dataclass, field

from regproxy.model.address import Authority

_BYTES = "surrogateescape"  # what is no UTF-8 is sent on as it came


@dataclass(frozen=True, slots=True)
class Password:
    """A user and password: as Basic to a registry, or to its token service for a token."""

    user: str
    password: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """The value of Authorization (RFC 7617, in UTF-8)."""
        pair = f"{self.user}:{self.password}".encode("utf-8", _BYTES)
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    @classmethod
    def parse(cls, authorization: str) -> "Password":
        """The user and password of a Basic credential; raises ValueError, in which neither occurs."""
        scheme, _, value = authorization.strip().partition(" ")
        try:
            pair = base64.b64decode(value.strip(), validate=True).decode("utf-8", _BYTES)
        except (binascii.Error, ValueError):
            pair = ""
        user, colon, password = pair.partition(":")
        if scheme.lower() != "basic" or not colon:
            raise ValueError("Authorization is no Basic credential")
        return cls(user, password)


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """A refresh token, which the token service takes in the dialect of OAuth2 and nobody else sees."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token that the registry takes as it is."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FromHelper:
    """What the docker credential helper of this name says for the authority, when it is asked."""

    command: str
    authority: Authority


Login = Password | IdentityToken | BearerToken
