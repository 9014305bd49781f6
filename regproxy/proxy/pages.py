"""The proxy's own pages, served in the clear on its port."""

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError

from regproxy.model.address import Authority
from regproxy.model.answer import CoreAway
from regproxy.model.ca_event import CertificatesFetched
from regproxy.model.connect import Refuse
from regproxy.proxy.edge import Edge, Page, Visit
from regproxy.proxy.stream import ClientStream


async def show_page(
    edge: Edge,
    connection: HTTP1Connection,
    stream: ClientStream,
    client: str,
    start_line: RequestStartLine,
    headers: HTTPHeaders,
) -> Refuse | None:
    """Answer with the page that the request names, or say why not; nothing is answered to who has left."""
    if stream.closed():
        return None
    page: Page | None = None
    path, browser = start_line.path.partition("?")[0], "text/html" in headers.get("Accept", "")
    try:
        if start_line.method in ("GET", "HEAD"):
            page = await edge.page(Visit(path, client, headers.get("Host") or _local(stream), browser))
    except ValueError as error:
        return Refuse(400, f"regproxy: the Host field: {error}")
    except CoreAway as error:
        return Refuse(503, str(error))
    if page is None:
        return Refuse(404, "regproxy: no such page; this is a proxy: set HTTPS_PROXY, or see / and /ca.crt")
    if page.trusted and start_line.method == "GET":
        edge.core.report([CertificatesFetched(client)])
    fields = {"Content-Type": page.content_type, "Content-Length": str(len(page.body)), "Cache-Control": "no-cache"}
    body = page.body if start_line.method == "GET" else b""
    try:
        connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders(fields), body)
        stream.await_request()
        connection.finish()
    except StreamClosedError:
        pass
    return None


def _local(stream: ClientStream) -> str:
    """The address that a client connected to, which stands for the name of the proxy where it gives none.

    Raises ValueError inside TLS with the proxy, where none is known.
    """
    if stream.secured:
        raise ValueError("there is none")
    host, port = stream.socket.getsockname()[:2]
    return str(Authority(str(host).removeprefix("::ffff:"), port))
