"""Requests to registries in the clear: absolute-form for those that speak plain HTTP, origin-form for the mirror."""

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, RequestStartLine

from regproxy.model.address import Authority, parse_authority
from regproxy.model.answer import CoreAway
from regproxy.model.connect import Intercept, Refuse
from regproxy.model.oci import TOKEN_PATH
from regproxy.proxy.edge import Edge
from regproxy.proxy.exchange import Exchange
from regproxy.proxy.mirror import Mirror, is_mirrored, read_mirrored
from regproxy.proxy.stream import ClientStream


async def plain(
    edge: Edge,
    connection: HTTP1Connection,
    stream: ClientStream,
    client: str,
    start_line: RequestStartLine,
    headers: HTTPHeaders,
) -> Exchange | Refuse:
    """The exchange that the request begins, or why it begins none."""
    mirrors = is_mirrored(start_line.path)
    try:
        mirror = _mirror(start_line, headers, stream) if mirrors else None
        named = mirror.mirrored.authority if mirror is not None else _plain_authority(start_line.path)
    except ValueError as error:
        return Refuse(400, f"regproxy: {error}")
    if mirror is not None and not _pulls(start_line.method, mirror.mirrored.target):
        return Refuse(405, "regproxy: a mirror is only for pulls; push to the registry, or through HTTPS_PROXY")
    try:
        decided = await edge.core.on_connect(named, client)
    except CoreAway as error:
        return Refuse(503, str(error))
    if mirror is None and (not isinstance(decided, Intercept) or decided.scheme != "http"):
        return Refuse(403, f"regproxy refused http://{named}: plain HTTP is only for registries with scheme http")
    if not isinstance(decided, Intercept):
        return Refuse(404, f"regproxy mirrors what its policy names, which {named.name} is not")
    return Exchange(edge, connection, stream, client, named=named, decided=decided, mirror=mirror)


def _mirror(start_line: RequestStartLine, headers: HTTPHeaders, stream: ClientStream) -> Mirror:
    """What is asked of the mirror, and by which name; raises ValueError."""
    scheme = "http" if stream.requested_name is None else "https"
    here = parse_authority(headers.get("Host") or "", 443 if scheme == "https" else 80)
    return Mirror(f"{scheme}://{here}", read_mirrored(start_line.path))


def _pulls(method: str, target: str) -> bool:
    return method in ("GET", "HEAD") or (method == "POST" and target.partition("?")[0] == TOKEN_PATH)


def _plain_authority(url: str) -> Authority:
    """The authority of an absolute-form target; raises ValueError."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "http":
        raise ValueError(f"{url[:80]!r} is not a URL that this proxy serves")
    return parse_authority(rest.partition("/")[0], 80)
