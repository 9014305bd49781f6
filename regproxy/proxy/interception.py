"""Ending TLS for a named registry: the same connection class a second time, inside the tunnel."""

import ssl

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.iostream import StreamClosedError

from regproxy.model.address import Authority
from regproxy.model.connect import Intercept
from regproxy.model.event import HandshakeFailed
from regproxy.proxy.edge import Edge
from regproxy.proxy.exchange import Exchange
from regproxy.proxy.stream import ClientStream

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Interception(HTTPServerConnectionDelegate):
    """The requests of one intercepted connection; its identity is what the client connected to."""

    def __init__(self, edge: Edge, stream: ClientStream, client: str, named: Authority, decided: Intercept) -> None:
        self._edge = edge
        self._stream = stream
        self._client = client
        self._named = named
        self._decided = decided

    async def begin(self, context: ssl.SSLContext) -> None:
        """Answer 200, speak TLS, and serve what comes."""
        try:
            await self._stream.write(ESTABLISHED)
            self._stream.begin_tls(context)
        except StreamClosedError:
            return
        except ValueError:
            self._stream.abort()
            return
        HTTP1ServerConnection(self._stream, self._edge.parameters, self._named).start_serving(self)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """One request begins."""
        if not isinstance(request_conn, HTTP1Connection):
            raise TypeError("only HTTP/1.1 is served")
        return Exchange(self._edge, request_conn, self._stream, self._client, named=self._named, decided=self._decided)

    def on_close(self, server_conn: object) -> None:
        """The connection is over."""
        failure = self._stream.tls_failure
        if failure is not None:
            self._edge.core.report([HandshakeFailed(self._client, self._named.name, failure)])
