"""Whether a shared cache may store a response to a GET, and whether that is any use (RFC 9111 §3)."""

from urllib.parse import parse_qsl

from regproxy.freshness.directives import Directives, request_directives, response_directives
from regproxy.freshness.origin import HEURISTIC, Response, age, lifetime, may_be_stale
from regproxy.freshness.selecting import vary_names
from regproxy.model.decision import Terms
from regproxy.model.message import Fields, Head, field, joined

# What `must-understand` asks for (§5.2.2.3): statuses whose meaning for a cache is known here.
_UNDERSTOOD = HEURISTIC | {302, 303, 307, 403, 500, 502, 503, 504}
# These answer one request, its credential, its size or its moment, and say nothing about the target.
_ABOUT_THE_REQUEST = frozenset(
    {206, 304, 400, 401, 407, 408, 411, 412, 413, 415, 416, 417, 421, 425, 426, 428, 429, 431}
)
# Who asks: the two fields of the standards, and those that APIs of registries and forges have of their own.
CREDENTIALS = frozenset(
    "authorization cookie private-token job-token deploy-token x-api-key x-auth-token x-jfrog-art-api".split()
)
_CREDENTIAL_PARAMETERS = frozenset(
    "access_token private_token job_token token api_key apikey password sig signature x-amz-signature "
    "x-goog-signature".split()
)


def is_personal(fields: Fields, target: str) -> bool:
    """Whether a request says who asks, in a field or in its query."""
    return _is_signed(target) or any(name.lower() in CREDENTIALS for name, _ in fields)


def _is_signed(target: str) -> bool:
    """Whether the query holds a credential: it would stand in the key, on the disk."""
    query = target.partition("?")[2]
    return any(name.lower() in _CREDENTIAL_PARAMETERS for name, _ in parse_qsl(query, keep_blank_values=True))


def is_for_everyone(told: Directives) -> bool:
    """Whether a response may leave the request that asked for it although that had a credential (§3.5)."""
    return any(name in told for name in ("public", "s-maxage", "must-revalidate"))


def may_store(request: Fields, target: str, head: Head) -> bool:
    """Whether the answer to this GET may be stored for others (§3).

    Set-Cookie is for one client: an answer with it is stored only where the origin withholds that field from caches.
    """
    told = response_directives(head.fields)
    if head.status < 200 or head.status in _ABOUT_THE_REQUEST:
        return False
    if _is_signed(target) or "no-store" in request_directives(request):
        return False
    if "must-understand" in told:
        if head.status not in _UNDERSTOOD:
            return False
    elif "no-store" in told:
        return False
    names = vary_names(head.fields)
    if told.unqualified("private") or "*" in names:
        return False
    cookies = "set-cookie" not in told.fields("no-cache") | told.fields("private")
    if cookies and field(head.fields, "set-cookie") is not None:
        return False
    if is_personal(request, target) and (names & CREDENTIALS or not is_for_everyone(told)):
        return False
    return _is_cacheable(head, told)


def _is_cacheable(head: Head, told: Directives) -> bool:
    explicit = any(name in told for name in ("public", "s-maxage", "max-age"))
    return explicit or head.status in HEURISTIC or field(head.fields, "expires") is not None


def is_whole(head: Head) -> bool:
    """Whether a body that is cut short would show: its length is told, or it is chunked (RFC 9112 §8)."""
    return (
        head.status == 204
        or field(head.fields, "content-length") is not None
        or "chunked" in (joined(head.fields, "transfer-encoding") or "").lower()
    )


def is_useful(response: Response, terms: Terms) -> bool:
    """Whether it will ever be served again: fresh, by asking whether it still holds, or stale."""
    if lifetime(response) > age(response, response.at):
        return True
    if any(field(response.fields, name) is not None for name in ("etag", "last-modified")):
        return True
    stale = terms.stale_if_error is not None or terms.stale_while_revalidate > 0
    told = response.told
    return may_be_stale(response) and (stale or "stale-if-error" in told or "stale-while-revalidate" in told)
