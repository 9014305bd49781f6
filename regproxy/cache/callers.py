"""Who asks, from what a request brings: one identity for each login, however often its tokens change."""

import hashlib
import hmac
import secrets
from dataclasses import replace
from typing import assert_never
from urllib.parse import parse_qsl

from regproxy.cache.challenge import LOGIN_PREFIX, credential
from regproxy.cache.local_token import LocalTokens
from regproxy.model.account import Own
from regproxy.model.address import Authority
from regproxy.model.answer import Ask
from regproxy.model.caller import STRANGER, Caller, Identified
from regproxy.model.login import BearerToken, IdentityToken, Login, Password
from regproxy.model.message import Fields, printable
from regproxy.model.registry import Registry

_MAX_NAME = 100


class Callers:
    """Tells callers apart; owns the random key of their identities, which so mean nothing after a restart."""

    def __init__(self, tokens: LocalTokens) -> None:
        self._tokens = tokens
        self._key = secrets.token_bytes(32)

    def of(self, ask: Ask, registry: Registry, repository: str | None) -> Caller:
        """Who asks to read a repository; None: anything of the registry's.

        What is no login, a token of ours for something else included, leaves a stranger.
        """
        value = credential(ask.fields)
        if value is None or registry.client_auth == "ours":
            return STRANGER
        scheme, _, parameter = value.partition(" ")
        token = parameter.strip()
        match scheme.lower():
            case "basic":
                try:
                    return self.known(ask.authority, Password.parse(value))
                except ValueError:
                    return STRANGER
            case "bearer" if token.startswith(LOGIN_PREFIX):
                claims = self._tokens.read(ask.authority, token)
                if claims is None or (repository is not None and not claims.reads(repository)):
                    return STRANGER
                return replace(self.known(ask.authority, claims.login), scope=claims.scope, until=claims.until)
            case "bearer" if token:
                return self.known(ask.authority, BearerToken(token))
            case _:
                return STRANGER

    def known(self, authority: Authority, login: Login) -> Identified:
        """The caller whose login this is."""
        match login:
            case Password(user=user, password=password):
                parts, name = ["password", user, password], printable(user, _MAX_NAME)
            case IdentityToken(token=token):
                parts, name = ["identity", token], "identity token"
            case BearerToken(token=token):
                parts, name = ["bearer", token], "bearer token"
            case _:
                assert_never(login)
        said = b"\0".join(part.encode("utf-8", "surrogateescape") for part in (str(authority), *parts))
        identity = hmac.new(self._key, said, hashlib.sha256).hexdigest()
        return Identified(Own(identity, login), name)


def login_of(fields: Fields, query: str, form: bytes) -> Login | None:
    """The login that a token request brings, by header, query or form; None: it is anonymous.

    Raises ValueError for a credential that is no login (distribution token specification, OAuth2 dialect included).
    """
    value = credential(fields)
    if value is not None:
        return Password.parse(value)
    sent = dict([*parse_qsl(query), *parse_qsl(form.decode("latin-1"))])
    if refresh := sent.get("refresh_token"):
        return IdentityToken(refresh)
    if sent.get("username") or sent.get("password"):
        return Password(sent.get("username", ""), sent.get("password", ""))
    return None


def scope_of(query: str, form: bytes) -> str:
    """All scopes that a token request asks for, as one."""
    sent = [*parse_qsl(query), *parse_qsl(form.decode("latin-1"))]
    return " ".join(value for name, value in sent if name == "scope")
