"""Requests to registries in the clear: absolute-form for those that speak plain HTTP, origin-form for the mirror."""

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, RequestStartLine

from regproxy.model.address import parse_authority
from regproxy.model.answer import CoreAway
from regproxy.model.connect import Intercept, Refuse
from regproxy.model.message import printable
from regproxy.model.oci import TOKEN_PATH
from regproxy.proxy.edge import Edge
from regproxy.proxy.exchange import Exchange
from regproxy.proxy.identity import decide
from regproxy.proxy.mirror import Mirror, is_mirrored, read_mirrored
from regproxy.proxy.stream import ClientStream
from regproxy.proxy.target import plain_authority


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
        named = mirror.mirrored.authority if mirror is not None else plain_authority(start_line.path)
    except ValueError as error:
        return Refuse(400, f"regproxy: {error}")
    if mirror is not None and not _pulls(start_line.method, mirror.mirrored.target):
        return Refuse(405, "regproxy: a mirror is only for pulls; push to the registry, or through HTTPS_PROXY")
    try:
        decided, user = await decide(edge, named, client, headers)
    except CoreAway as error:
        return Refuse(503, str(error))
    if isinstance(decided, Refuse):
        # A mirror is no proxy to its clients: none of them would answer 407, and with 404 they go elsewhere.
        why = decided.reason
        return decided if mirror is None else Refuse(404, printable(f"regproxy mirrors what its policy names: {why}"))
    if mirror is None and (not isinstance(decided, Intercept) or decided.scheme != "http"):
        return Refuse(403, f"regproxy refused http://{named}: plain HTTP is only for registries with scheme http")
    if not isinstance(decided, Intercept):
        return Refuse(404, f"regproxy mirrors what its policy names, which {named.name} is not")
    return Exchange(edge, connection, stream, client, named=named, decided=decided, user=user, mirror=mirror)


def _mirror(start_line: RequestStartLine, headers: HTTPHeaders, stream: ClientStream) -> Mirror:
    """What is asked of the mirror, and by which name; raises ValueError."""
    scheme = "https" if stream.secured else "http"
    here = parse_authority(headers.get("Host") or "", 443 if scheme == "https" else 80)
    return Mirror(f"{scheme}://{here}", read_mirrored(start_line.path))


def _pulls(method: str, target: str) -> bool:
    return method in ("GET", "HEAD") or (method == "POST" and target.partition("?")[0] == TOKEN_PATH)
