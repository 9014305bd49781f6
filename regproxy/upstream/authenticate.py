"""Reading WWW-Authenticate (RFC 9110 §11.6.1), and the rules for where a token request may go.

The field is a registry's word about where credentials go next, so it is parsed whole or not at all, and obeyed only
towards the registry itself and the hosts that the policy lists as its token-hosts.
"""

import re
from urllib.parse import urlsplit

from regproxy.model.address import Authority, parse_authority
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.message import Fields, joined
from regproxy.model.registry import Registry
from regproxy.upstream.failure import UpstreamFailed

_MAX_FIELD = 8 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 -- the grammar's token
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})(?=[ \t]*(?:,|\Z))|"((?:[^"\\]|\\.)*)")[ \t]*(?:,|\Z)')
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]*(?:,|\Z)|[ \t]+)")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*[ \t]*(?:,|\Z)")
_BLANK = re.compile(r"[ \t,]*")


def parse_challenges(value: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """Every challenge as (scheme, parameters), names in lower case; ValueError when the field is not of that grammar.

    Of a repeated parameter the first counts.
    """
    if len(value) > _MAX_FIELD:
        raise ValueError("WWW-Authenticate is too long")
    challenges: list[tuple[str, dict[str, str]]] = []
    at = _skip(value, 0)
    while at < len(value):
        parameter = _PARAMETER.match(value, at)
        if parameter is not None and challenges:
            name, plain, quoted = parameter.groups()
            text = plain if plain is not None else re.sub(r"\\(.)", r"\1", quoted)
            challenges[-1][1].setdefault(name.lower(), text)
            at = _skip(value, parameter.end())
            continue
        scheme = _SCHEME.match(value, at)
        if scheme is None or parameter is not None:
            raise ValueError("WWW-Authenticate is not a list of challenges")
        challenges.append((scheme[1].lower(), {}))
        at = _skip(value, scheme.end())
        blob = _TOKEN68.match(value, at)
        if blob is not None and value[scheme.end() - 1] in " \t" and _SCHEME.match(value, at) is None:
            at = _skip(value, blob.end())
    return tuple(challenges)


def _skip(value: str, at: int) -> int:
    match = _BLANK.match(value, at)
    return match.end() if match else at


def read_challenge(fields: Fields) -> Challenge | None:
    """How these fields of a 401 ask for credentials: Bearer before Basic; None when in no way that we know."""
    value = joined(fields, "www-authenticate")
    if value is None:
        return None
    try:
        offered = dict(reversed(parse_challenges(value)))
    except ValueError:
        return None
    bearer = offered.get("bearer")
    if bearer is not None and bearer.get("realm"):
        return Challenge("bearer", bearer["realm"], bearer.get("service", ""))
    if "basic" in offered:
        return Challenge("basic", offered["basic"].get("realm", ""))
    return None


def realm_of(registry: Registry, authority: Authority, realm: str) -> tuple[str, Authority, str]:
    """Scheme, authority and target of a token service; UpstreamFailed(CREDENTIAL) for one that may not be asked.

    https (http where the registry itself is http), on the registry's own authority or a listed token-host: an address
    or a neighbouring domain qualifies only by being listed.
    """
    if not all("!" <= c <= "~" for c in realm) or "\\" in realm or len(realm) > 2048:
        raise _refused(authority, "its token realm holds forbidden characters")
    try:
        url = urlsplit(realm)
        host = parse_authority(url.netloc.rpartition("@")[2], 80 if url.scheme == "http" else 443)
    except ValueError as error:
        raise _refused(authority, f"its token realm is no URL: {error}") from error
    if url.scheme != "https" and not (url.scheme == "http" and registry.scheme == "http"):
        raise _refused(authority, f"its token realm {host.name} is not https")
    if "@" in url.netloc or "#" in realm:
        raise _refused(authority, f"its token realm on {host.name} has a user name or a fragment in it")
    if host != authority and not any(pattern.matches(host) for pattern in registry.token_hosts):
        raise _refused(authority, f"its token realm is on {host.name}, which the policy does not list in token-hosts")
    path = url.path or "/"
    return url.scheme, host, f"{path}?{url.query}" if url.query else path


def _refused(authority: Authority, cause: str) -> UpstreamFailed:
    return UpstreamFailed(FailureClass.CREDENTIAL, f"{authority.name}: {cause}")
