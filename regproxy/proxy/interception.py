"""Ending TLS for a named registry: requests answered from memory, or parsed by Tornado one by one."""

import asyncio
import contextlib
import ssl
import time
from secrets import token_hex

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError, UnsatisfiableReadError

from regproxy.model.address import Authority
from regproxy.model.answer import CoreAway
from regproxy.model.connect import Intercept, Refuse
from regproxy.model.event import ConnectFinished, ExchangeFinished, HandshakeFailed
from regproxy.model.trace import span_of
from regproxy.proxy.edge import Edge
from regproxy.proxy.exchange import Exchange
from regproxy.proxy.heads import is_one_head
from regproxy.proxy.memory import MAX_HEAD_BYTES, place
from regproxy.proxy.stream import ClientStream

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Interception:
    """The requests of one intercepted connection; its identity is what the client connected to.

    `policies` is what `edge.policies` was when the client, and `user` whom it proved to be, was let in.
    """

    def __init__(
        self,
        edge: Edge,
        stream: ClientStream,
        client: str,
        user: str,
        policies: int,
        named: Authority,
        decided: Intercept,
    ) -> None:
        self._edge = edge
        self._stream = stream
        self._client = client
        self._named = named
        self._decided = decided
        self._user = user
        self._policies = policies
        self._place: str | None = None
        self._name = named.name

    def begin(self, context: ssl.SSLContext) -> None:
        """Answer 200, speak TLS, and serve what comes."""
        self._edge.core.report([ConnectFinished(self._client, self._name, "intercept", 200, user=self._user)])
        if self._stream.closed():
            return
        self._stream.ended = self._ended
        try:
            self._stream.begin_tls(context, ESTABLISHED)
        except (ValueError, OSError):
            self._stream.abort()
            return
        self._stream.take(self._take)

    def _take(self, came: bytes) -> None:
        """Answer a request that is here whole and alone, if its very bytes were answered before, or have it parsed."""
        began = time.monotonic()
        if self._place is None:
            self._edge.handshakes += 1
            self._place = place(self._named, self._decided.authority, self._stream.requested_name)
        found = self._edge.memory.recall(self._place, came) if len(came) <= MAX_HEAD_BYTES else None
        if found is None or self._edge.draining or self._policies != self._edge.policies:
            self._stream.hand_up(came)
            self._edge.spawn(self._serve(came if is_one_head(came) else None), self._stream)
            return
        answer, ready = found
        self._stream.answer(answer)
        spent = (time.monotonic() - began) * 1000
        size, labels = len(ready.body), ready.labels
        span = span_of((), token_hex, time.time() - spent / 1000) if self._edge.traced else None
        finished = ExchangeFinished(
            self._client,
            ready.authority,
            ready.method,
            ready.status,
            size,
            spent,
            labels,
            first_byte=spent,
            trace="" if span is None else span.trace,
            user=self._user,
            span=span,
        )
        self._edge.core.report([finished])

    async def _serve(self, head: bytes | None) -> None:
        """Have requests parsed and answered until no more has come; `head` is the first one's, if it is whole."""
        try:
            while True:
                refused = await self._refused()
                connection = HTTP1Connection(self._stream, is_client=False, params=self._edge.parameters)
                exchange = Exchange(
                    self._edge,
                    connection,
                    self._stream,
                    self._client,
                    named=self._named,
                    decided=self._decided,
                    user=self._user,
                    head=head,
                    refused=refused,
                )
                if not await connection.read_response(exchange):
                    return
                if not self._stream.ahead:
                    self._stream.take(self._take)
                    return
                head = None
                await asyncio.sleep(0)
        except (StreamClosedError, UnsatisfiableReadError):
            return

    async def _refused(self) -> str | None:
        """Why the client may not use the proxy for this any more, should the policy have changed since it was asked."""
        if self._policies != self._edge.policies:
            self._policies = self._edge.policies
            with contextlib.suppress(CoreAway):
                decided = await self._edge.core.on_connect(self._named, self._client, self._user)
                return decided.reason if isinstance(decided, Refuse) else None
        return None

    def _ended(self) -> None:
        """The connection is over."""
        failure = self._stream.tls_failure
        if failure is not None:
            self._edge.core.report([HandshakeFailed(self._client, self._name, failure)])
