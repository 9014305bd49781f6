"""Ending TLS for a named registry: the same connection class a second time, inside the tunnel."""

import ssl
import time

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.iostream import StreamClosedError

from regproxy.model.address import Authority
from regproxy.model.connect import Intercept
from regproxy.model.event import ExchangeFinished, HandshakeFailed
from regproxy.proxy.edge import Edge
from regproxy.proxy.exchange import Exchange
from regproxy.proxy.memory import place
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
        self._place: str | None = None

    async def begin(self, context: ssl.SSLContext) -> None:
        """Answer 200, speak TLS, and serve what comes."""
        try:
            await self._stream.write(ESTABLISHED)
            self._stream.begin_tls(context)
            self._stream.recall = self._recall
        except StreamClosedError:
            return
        except ValueError:
            self._stream.abort()
            return
        HTTP1ServerConnection(self._stream, self._edge.parameters, self._named).start_serving(self)

    def _recall(self, plaintext: bytes) -> bytes | None:
        """The answer to a request that is here whole and alone, if its very bytes were answered before."""
        if plaintext.find(b"\r\n\r\n") != len(plaintext) - 4 or self._edge.draining:
            return None
        began = time.monotonic()
        found = self._edge.memory.recall(self._where(), plaintext)
        if found is None:
            self._stream.head = plaintext
            return None
        answer, ready = found
        milliseconds = (time.monotonic() - began) * 1000
        finished = ExchangeFinished(
            self._client, ready.authority, ready.method, ready.status, len(ready.body), milliseconds, ready.labels
        )
        self._edge.core.report([finished])
        return answer

    def _where(self) -> str:
        if self._place is None:
            self._place = place(self._named, self._decided.authority, self._stream.requested_name)
        return self._place

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
