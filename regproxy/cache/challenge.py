"""The one challenge that clients see, ours, and the token that anonymous callers get."""

import json
import re

from regproxy.model.address import Authority
from regproxy.model.message import Fields, field, joined
from regproxy.model.oci import TOKEN_PATH
from regproxy.upstream.authenticate import parse_challenges

# One powerless constant: never checked, never refused, never forwarded, so restarts and replicas accept it.
ANONYMOUS_TOKEN = "regproxy-anonymous.v1"  # noqa: S105 -- no secret: it opens what is public
_ANONYMOUS_PREFIX = "regproxy-anonymous"
# Of tokens that stand for a login.
LOGIN_PREFIX = "regproxy-login."
ANONYMOUS_ANSWER = json.dumps({"token": ANONYMOUS_TOKEN, "access_token": ANONYMOUS_TOKEN, "expires_in": 3600}).encode()
_SCOPE = re.compile(r"[a-z0-9:/._,* -]{1,1024}\Z")


def our_challenge(authority: Authority, scheme: str, repository: str = "") -> Fields:
    """WWW-Authenticate on the registry's own name (RFC 6750 §3, distribution token specification)."""
    value = f'Bearer realm="{scheme}://{authority.name}{TOKEN_PATH}",service="{authority.name}"'
    if repository:
        value += f',scope="repository:{repository}:pull"'
    return (("WWW-Authenticate", value),)


def push_challenge(authority: Authority, scheme: str, repository: str, fields: Fields) -> Fields:
    """Ours, in the place of a registry's own: of the same scheme, and for what the registry says is missing."""
    try:
        offered = dict(parse_challenges(joined(fields, "www-authenticate") or ""))
    except ValueError:
        offered = {}
    if "basic" in offered and "bearer" not in offered:
        return basic_challenge(authority)
    asked = offered.get("bearer", {}).get("scope", "")
    scope = asked if _SCOPE.match(asked) else f"repository:{repository}:pull,push"
    ((name, value),) = our_challenge(authority, scheme)
    return ((name, f'{value},scope="{scope}"'),)


def basic_challenge(authority: Authority) -> Fields:
    """For a registry that knows only Basic, so that clients with a login send it."""
    return (("WWW-Authenticate", f'Basic realm="{authority.name}"'),)


def credential(fields: Fields) -> str | None:
    """The Authorization that the client brings of its own; our anonymous token is none."""
    value, token = _bearing(fields)
    return None if not value or token.startswith(_ANONYMOUS_PREFIX) else value


def foreign(fields: Fields) -> str | None:
    """The same, where no token of ours means anything."""
    value, token = _bearing(fields)
    return None if not value or token.startswith((_ANONYMOUS_PREFIX, LOGIN_PREFIX)) else value


def _bearing(fields: Fields) -> tuple[str, str]:
    """The value of Authorization, and the bearer token in it, where that is one."""
    value = (field(fields, "authorization") or "").strip()
    scheme, _, parameter = value.partition(" ")
    return value, parameter.strip() if scheme.lower() == "bearer" else ""
