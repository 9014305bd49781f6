"""Where a redirect leads: the next request, without credentials, or a sentence why nobody goes there."""

from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from regproxy.model.address import Authority, parse_authority
from regproxy.model.decision import FailureClass
from regproxy.model.message import Head, only
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest

MAX_REDIRECTS = 5
_STATUSES = frozenset({301, 302, 303, 307, 308})
_TRAVELLING = frozenset({"accept", "range", "if-range", "user-agent"})
_MAX_LOCATION = 16 * 1024


def leads_on(request: UpstreamRequest, head: Head) -> bool:
    """Whether this answer to a GET or HEAD is a redirect that we follow ourselves."""
    return head.status in _STATUSES and request.method in ("GET", "HEAD")


def follow(request: UpstreamRequest, head: Head) -> UpstreamRequest | None:
    """The request that the redirect asks for (RFC 9110 §15.4), or None where nothing is to be followed.

    The address that is really dialled is judged when it is dialled. Raises UpstreamFailed(CONNECT) for a bad target.
    """
    if not leads_on(request, head):
        return None
    location = head.get("location")
    if not location:
        raise _refused(request, "redirects without saying where")
    scheme, authority, target = _resolve(request, location)
    fields = only(request.fields, _TRAVELLING)
    return replace(request, scheme=scheme, authority=authority, target=target, fields=fields, body=None)


def _resolve(request: UpstreamRequest, location: str) -> tuple[str, Authority, str]:
    if len(location) > _MAX_LOCATION:
        raise _refused(request, "redirects to a URL of more than 16 KiB")
    # urlsplit() drops tabs and line ends silently, so they are refused before it sees them.
    if not all("!" <= c <= "~" for c in location) or "\\" in location:
        raise _refused(request, "redirects to a URL with forbidden characters")
    if location.startswith("//"):
        raise _refused(request, "redirects to a URL without a scheme")
    try:
        url = urlsplit(location)
        if not url.scheme:
            url = urlsplit(urljoin(request.url, location))
        default_port = {"https": 443, "http": 80}.get(url.scheme)
        if default_port is None or (url.scheme == "http" and request.registry.scheme != "http"):
            raise _refused(request, f"redirects to {url.scheme[:20]}, and only https is followed")
        if "@" in url.netloc:
            raise _refused(request, "redirects to a URL with a user name in it")
        authority = parse_authority(url.netloc, default_port)
    except ValueError as error:
        raise _refused(request, f"redirects to something that is no URL: {error}") from error
    path = url.path or "/"
    return url.scheme, authority, f"{path}?{url.query}" if url.query else path


def _refused(request: UpstreamRequest, cause: str) -> UpstreamFailed:
    return UpstreamFailed(FailureClass.CONNECT, f"{request.authority.name}: {cause}")
