"""The proxy port: CONNECT leads to a tunnel, an interception or a refusal; the rest is the proxy's own, or refused."""

import time
from collections.abc import Awaitable
from contextlib import nullcontext
from typing import assert_never

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import StreamClosedError

from regproxy.model.address import Authority
from regproxy.model.answer import CoreAway
from regproxy.model.connect import Intercept, Refuse, Tunnel
from regproxy.model.event import ConnectFinished, Decided, TunnelClosed
from regproxy.model.leaf import NotValidNow
from regproxy.model.message import printable
from regproxy.model.refusal import refusal
from regproxy.proxy.edge import Edge
from regproxy.proxy.exchange import Exchange
from regproxy.proxy.framing import fault
from regproxy.proxy.heads import Known
from regproxy.proxy.identity import CHALLENGE, decide
from regproxy.proxy.interception import ESTABLISHED, Interception
from regproxy.proxy.mirror import is_mirrored
from regproxy.proxy.pages import show_page
from regproxy.proxy.plain import plain
from regproxy.proxy.stream import ClientStream
from regproxy.proxy.target import connect_authority
from regproxy.proxy.tunnel import TunnelRefused, reached, relay

MAX_NOTED = 100
# The first byte of a TLS record that opens a handshake (RFC 8446 section 5.1); no method begins with it.
_TLS_HANDSHAKE = b"\x16"
_NO_TLS = (
    "regproxy speaks plain HTTP on this port, TLS begins after CONNECT: write http://, not https://, in HTTPS_PROXY"
)


class Front(HTTPServerConnectionDelegate):
    """The requests of one accepted connection, in the clear."""

    def __init__(self, edge: Edge, stream: ClientStream, client: str) -> None:
        self._edge = edge
        self._stream = stream
        self._client = client
        self._head: bytes | None = None

    def serve(self) -> None:
        """Begin to read requests."""
        self._stream.take(self._take)

    def _take(self, came: bytes) -> None:
        """A CONNECT as it came before begins its interception here and now; whatever else comes is parsed."""
        if came.startswith(_TLS_HANDSHAKE):
            note = ConnectFinished(self._client, "", "refuse", 400, _NO_TLS)
            self._edge.core.report([note])
            self._stream.abort()
            return
        known = self._edge.connect_heads.find(came, self._client)
        if known is not None and not self._edge.draining:
            authority, user = known.authority, known.user
            decided = self._edge.core.decided(authority, self._client, user)
            context = self._edge.contexts.made(authority.host)
            if isinstance(decided, Intercept) and decided.scheme == "https" and context is not None:
                policies = self._edge.policies
                Interception(self._edge, self._stream, self._client, user, policies, authority, decided).begin(context)
                return
        self._head = came
        self._stream.hand_up(came)
        HTTP1ServerConnection(self._stream, self._edge.parameters, self._client).start_serving(self)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """One request begins."""
        if not isinstance(request_conn, HTTP1Connection):
            raise TypeError("only HTTP/1.1 is served")
        head, self._head = self._head, None
        return _FrontRequest(self._edge, request_conn, self._stream, self._client, head)

    def on_close(self, server_conn: object) -> None:
        """The connection is over, or was handed on."""


class _FrontRequest(HTTPMessageDelegate):
    """One request in the clear: a CONNECT, a page of ours, or absolute-form for a registry that speaks plain HTTP."""

    def __init__(
        self, edge: Edge, connection: HTTP1Connection, stream: ClientStream, client: str, head: bytes | None
    ) -> None:
        self._edge = edge
        self._connection = connection
        self._stream = stream
        self._client = client
        self._user = ""
        self._policies = edge.policies
        # The bytes that came first, if this request was in them.
        self._head = head
        self._exchange: Exchange | None = None
        self._page_asked: tuple[RequestStartLine, HTTPHeaders] | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Decide where the request leads."""
        if not isinstance(start_line, RequestStartLine):
            raise TypeError("a client sends requests")
        if (wrong := fault(start_line, headers)) is not None:
            status, sentence = wrong
            self._stream.request_received()
            if start_line.method == "CONNECT":
                self._note(start_line.path[:100], "refuse", status, sentence)
            return self._refuse(status, f"regproxy: {sentence}")
        if start_line.method != "CONNECT" and start_line.path.startswith("/") and not is_mirrored(start_line.path):
            # Answered once the request is whole, still under the deadline of its head: then the connection is kept.
            self._page_asked = start_line, headers
            return None
        self._stream.request_received()
        if start_line.method == "CONNECT":
            self._edge.spawn(self._connect(start_line.path, headers), self._stream)
        else:
            return self._plain(start_line, headers)
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A body only matters to an exchange."""
        return self._exchange.data_received(chunk) if self._exchange is not None else None

    def finish(self) -> None:
        """The request is whole."""
        if self._exchange is not None:
            self._exchange.finish()
        if self._page_asked is not None:
            self._edge.spawn(self._page(*self._page_asked), self._stream)

    def on_connection_close(self) -> None:
        """The client is gone."""
        if self._exchange is not None:
            self._exchange.on_connection_close()

    # The proxy's own pages.

    async def _page(self, start_line: RequestStartLine, headers: HTTPHeaders) -> None:
        refused = await show_page(self._edge, self._connection, self._stream, self._client, start_line, headers)
        if refused is not None:
            self._refuse(refused.status, refused.reason)

    # Registries in the clear.

    async def _plain(self, start_line: RequestStartLine, headers: HTTPHeaders) -> None:
        found = await plain(self._edge, self._connection, self._stream, self._client, start_line, headers)
        if isinstance(found, Refuse):
            self._refuse(found.status, found.reason)
            self._note("/".join(start_line.path.split("/")[:3])[:MAX_NOTED], "refuse", found.status, found.reason)
            return
        self._exchange = found
        refused = found.headers_received(start_line, headers)
        if refused is not None:
            await refused

    # CONNECT.

    async def _connect(self, target: str, headers: HTTPHeaders) -> None:
        try:
            authority = connect_authority(target, headers.get("Host"))
            if self._stream.ahead:
                raise ValueError("the client sent bytes before the tunnel was open")
        except ValueError as error:
            self._refuse(400, f"regproxy: {error}")
            self._note(target[:MAX_NOTED], "refuse", 400, str(error))
            return
        try:
            decided, self._user = await decide(self._edge, authority, self._client, headers)
        except CoreAway as error:
            self._fail(authority, str(error))
            return
        match decided:
            case Refuse(status=status, reason=reason):
                self._refuse(status, reason)
                self._note(authority.name, "refuse", status, reason)
            case Tunnel():
                await self._tunnel(authority, decided)
            case Intercept():
                await self._intercept(authority, decided, headers)
            case _:
                assert_never(decided)

    async def _intercept(self, authority: Authority, decided: Intercept, headers: HTTPHeaders) -> None:
        try:
            if decided.scheme != "https":
                raise ValueError("its registry block says scheme http")
            # The leaf is for exactly the name that the client connected to.
            context = await self._edge.contexts.context(authority.host)
        except ValueError as error:
            reason = f"regproxy refused {authority.name}: {error}"
            self._refuse(403, reason)
            self._note(authority.name, "refuse", 403, reason)
            return
        except NotValidNow as error:
            self._fail(authority, f"regproxy cannot intercept {authority.name}: {error}")
            return
        except CoreAway as error:
            self._fail(authority, str(error))
            return
        client, user, policies = self._client, self._user, self._policies
        # What a password proved under another policy, while that was asked, is not known under this one.
        if self._head is not None and policies == self._edge.policies:
            fields = frozenset(name.lower() for name in headers)
            self._edge.connect_heads.learn(self._head, fields, client, Known(authority, user))
        stream = self._detach()
        Interception(self._edge, stream, client, user, policies, authority, decided).begin(context)

    async def _tunnel(self, authority: Authority, decided: Tunnel) -> None:
        began = time.monotonic()
        try:
            upstream = await reached(self._edge, authority, decided, self._client, self._user)
        except TunnelRefused as error:
            reason = str(error)
            self._refuse(error.status, reason)
            self._note(authority.name, "refuse" if error.status == 403 else "failed", error.status, reason)
            return
        self._note(authority.name, "tunnel", 200)
        stream = self._detach()
        try:
            await stream.write(ESTABLISHED)
        except StreamClosedError:
            upstream.close()
            return
        client, ahead = stream.detach_socket()
        # TLS with the proxy around it is counted by itself.
        with nullcontext() if stream.secured else self._edge.crowd.counted(self._client):
            traffic = await relay(client, upstream, ahead, decided.idle)
        milliseconds = (time.monotonic() - began) * 1000
        closed = TunnelClosed(self._client, authority.name, traffic.sent, traffic.received, milliseconds, self._user)
        self._edge.core.report([closed])

    def _detach(self) -> ClientStream:
        self._connection.detach()
        return self._stream

    def _refuse(self, status: int, sentence: str) -> Awaitable[None] | None:
        """Answer, and let go of the connection; what is returned is done when it is gone."""
        challenge = (("Proxy-Authenticate", CHALLENGE),) if status == 407 else ()
        head, body = refusal(status, "DENIED", sentence, (*challenge, ("Connection", "close")))
        headers = HTTPHeaders({**dict(head.fields), "Content-Length": str(len(body))})
        line = ResponseStartLine("HTTP/1.1", status, printable(head.reason))
        try:
            self._connection.write_headers(line, headers, body)
            self._connection.finish()
        except StreamClosedError:
            return None
        # No refused connection is kept for nothing, whatever its client does.
        return self._edge.spawn(self._stream.hang_up(), self._stream)

    def _fail(self, authority: Authority, reason: str) -> None:
        """What was decided cannot be done now."""
        self._refuse(503, reason)
        self._note(authority.name, "failed", 503, reason)

    def _note(self, authority: str, decision: Decided, status: int, reason: str = "") -> None:
        finished = ConnectFinished(self._client, printable(authority), decision, status, reason, self._user)
        self._edge.core.report([finished])
