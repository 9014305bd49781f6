"""Where an upload goes on: the Location of a registry's answer, on the registry's own name for the client.

A client sends its credential wherever an upload's Location leads (distribution-spec, pushing blobs). So it is told of
the registry alone: a place on one of the block's `redirect-hosts` becomes a query of a path of ours, and is asked
without the credential; a place anywhere else is nobody's.
"""

from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from regproxy.model.address import Authority, parse_authority
from regproxy.model.message import Head, without
from regproxy.model.oci import Resource
from regproxy.model.registry import Registry
from regproxy.upstream.request import UpstreamRequest

_OURS = "_regproxy"
_AT = "at"
_MAX_LOCATION = 4096
_PORTS = {"https": 443, "http": 80}


def kept_on_the_registry(request: UpstreamRequest, authority: Authority, repository: str, head: Head) -> Head:
    """The head with a Location that leads to `authority`; raises ValueError where it cannot."""
    location = head.get("location")
    if location is None:
        return head
    scheme, named, target = _place(request, location)
    if request.registry.canonical(named) == authority and scheme == request.registry.scheme:
        kept = target
    elif scheme == "https" and any(pattern.matches(named) for pattern in request.registry.redirect_hosts):
        kept = f"/v2/{repository}/blobs/uploads/{_OURS}?{_AT}={quote(f'{scheme}://{named}{target}', safe='')}"
    else:
        raise ValueError(f"its upload goes on at {named.name}, which the policy does not list in redirect-hosts")
    return Head(head.status, (*without(head.fields, ["location"]), ("Location", kept)), head.reason)


def elsewhere(registry: Registry, resource: Resource) -> tuple[Authority, str] | None:
    """Authority and target of an upload that goes on at a redirect-host; None: at the registry. Raises ValueError."""
    if not resource.path.endswith(f"/blobs/uploads/{_OURS}"):
        return None
    pairs = parse_qsl(resource.query, keep_blank_values=True)
    places = [value for name, value in pairs if name == _AT]
    if len(places) != 1 or not _is_printable(places[0]):
        raise ValueError("the upload says not where it goes on")
    url = urlsplit(places[0])
    named = parse_authority(url.netloc, 443)
    if url.scheme != "https" or not any(pattern.matches(named) for pattern in registry.redirect_hosts):
        raise ValueError(f"{named.name} is no place for this registry's uploads")
    # What the client added, the digest at the end, belongs to the upload.
    added = urlencode([(name, value) for name, value in pairs if name != _AT])
    query = "&".join(filter(None, [url.query, added]))
    return named, f"{url.path or '/'}?{query}" if query else url.path or "/"


def _place(request: UpstreamRequest, location: str) -> tuple[str, Authority, str]:
    if len(location) > _MAX_LOCATION or not _is_printable(location):
        raise ValueError("its Location is too long or holds forbidden characters")
    url = urlsplit(urljoin(request.url, location))
    if url.scheme not in _PORTS or "@" in url.netloc:
        raise ValueError(f"its Location is no place for an upload: {url.scheme[:20]}")
    named = parse_authority(url.netloc, _PORTS[url.scheme])
    return url.scheme, named, f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"


def _is_printable(text: str) -> bool:
    """Visible ASCII: whatever splits URLs drops other characters silently."""
    return all("!" <= c <= "~" for c in text) and "\\" not in text
