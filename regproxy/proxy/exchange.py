"""One request in, one answer out, on an intercepted connection."""

import asyncio
import time
from collections.abc import Awaitable
from secrets import token_hex

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError

from regproxy.model.address import Authority, parse_authority
from regproxy.model.answer import Answer, Ask, BrokenBody, CoreAway, Reply, Stored
from regproxy.model.connect import Intercept
from regproxy.model.event import ExchangeFinished, Labels, Outcome
from regproxy.model.message import content_length, printable
from regproxy.model.refusal import refusal
from regproxy.model.trace import span_of, trace_of
from regproxy.proxy.content import in_hand
from regproxy.proxy.edge import Edge
from regproxy.proxy.framing import Fault, fault
from regproxy.proxy.memory import MAX_BODY, place
from regproxy.proxy.mirror import Mirror
from regproxy.proxy.reply import Replier
from regproxy.proxy.stream import ClientStream
from regproxy.proxy.upload import Upload

ATTEMPTS = 3
MAX_METHOD = 32


class Exchange(HTTPMessageDelegate):
    """Reads one request and answers it; `named` is the authority that the client connected to.

    `head` has the request's bytes where they came alone; `mirror`: it was asked of us as a mirror; `refused`: why the
    connection no longer leads where it did.
    """

    def __init__(
        self,
        edge: Edge,
        connection: HTTP1Connection,
        stream: ClientStream,
        client: str,
        *,
        named: Authority,
        decided: Intercept,
        user: str = "",
        head: bytes | None = None,
        mirror: Mirror | None = None,
        refused: str | None = None,
    ) -> None:
        self._edge = edge
        self._connection = connection
        self._stream = stream
        self._client = client
        self._user = user
        self._named = named
        self._authority = decided.authority
        self._scheme = decided.scheme
        self._upload: Upload | None = None
        self._task: asyncio.Task[None] | None = None
        self._labels = Labels(Outcome.LOCAL)
        self._ends_the_connection = False
        self._left = False
        self._head = head
        self._mirror = mirror
        self._refused = refused

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Begin to answer as soon as the head is here; the body follows through a socket pair.

        Behind a head that is refused nothing is read any more.
        """
        if not isinstance(start_line, RequestStartLine):
            raise TypeError("a client sends requests")
        self._stream.request_received()
        # To HTTP/1.0 the end of a body without a length is the end of the connection.
        self._ends_the_connection = start_line.version == "HTTP/1.0"
        if self._ends_the_connection:
            self._head = None
        # Tornado tells a delegate only of clients that leave before their request is whole.
        self._connection.set_close_callback(self.on_connection_close)
        fields = tuple(headers.get_all())
        wrong = fault(start_line, headers)
        misdirected, target = self._identity(start_line.path, headers)
        if self._mirror is not None:
            misdirected, target = None, self._mirror.mirrored.target
        if wrong is None and (misdirected := misdirected or self._refused) is not None:
            wrong = 421, misdirected
        size = content_length(fields) if wrong is None else None
        if wrong is None and (size or "Transfer-Encoding" in headers):
            self._upload = Upload(size)
        body = self._upload.body if self._upload is not None else None
        span = span_of(fields, token_hex, time.time()) if self._edge.traced else None
        who = self._client, body, self._user
        ask = Ask(self._authority, self._scheme, start_line.method, target, fields, *who, span=span)
        self._edge.in_flight += 1
        self._task = self._edge.spawn(self._answer(ask, wrong), self._stream)
        self._task.add_done_callback(self._answered)
        return self._task if wrong is not None else None

    def _identity(self, path: str, headers: HTTPHeaders) -> tuple[str | None, str]:
        """Why the request is meant for another authority, if it is, and its target in origin form (RFC 9110 §7.4)."""
        default = 443 if self._scheme == "https" else 80
        spelled = [headers.get("Host")]
        target = path
        for scheme in ("http://", "https://"):
            if path.lower().startswith(scheme):
                authority, slash, rest = path[len(scheme) :].partition("/")
                spelled.append(authority)
                target = f"/{rest}" if slash else "/"
        if self._stream.requested_name is not None:
            spelled.append(f"{self._stream.requested_name}:{self._named.port}")
        for text in spelled:
            try:
                same = text is not None and parse_authority(text, default) == self._named
            except ValueError:
                same = False
            if not same:
                return f"the connection is to {self._named.name}, the request is for {str(text)[:80]}", target
        if not target.startswith("/"):
            return "the request target is not a path", target
        return None, target

    def data_received(self, chunk: bytes) -> "asyncio.Future[None] | None":
        """Hand on a piece of the request's body; the client is read no faster than the upstream takes it."""
        return asyncio.ensure_future(self._upload.write(chunk)) if self._upload is not None else None

    def finish(self) -> None:
        """The request is whole."""
        if self._upload is not None:
            self._upload.finish()

    def on_connection_close(self) -> None:
        """The client is gone: stop answering."""
        if self._task is not None:
            self._task.cancel()
        if self._upload is not None:
            self._upload.close()

    def _answered(self, _: asyncio.Task[None]) -> None:
        """The task is over; one that was cancelled before it began asked nobody."""
        self._edge.in_flight -= 1
        self._close_unasked()

    def _close_unasked(self) -> None:
        if self._upload is not None:
            self._upload.close_unasked()

    async def _answer(self, ask: Ask, wrong: Fault | None) -> None:
        began = time.monotonic()
        edge = self._edge
        replier = Replier(self._connection, self._stream, ask, edge.content_directory, edge.disk, edge.core)
        try:
            if wrong is not None:
                status, sentence = wrong
                head, body = refusal(status, "UNSUPPORTED", f"regproxy: {sentence}", (("Connection", "close"),))
                await replier.send(Reply(head, body, self._labels))
                await self._stream.hang_up()
            else:
                await self._ask_and_send(ask, replier)
                if self._edge.draining or self._ends_the_connection:
                    await self._stream.hang_up()
        except (StreamClosedError, asyncio.CancelledError):
            self._left = not edge.draining
        except BrokenBody:
            pass
        finally:
            if not replier.sent.complete:
                self._stream.abort()
            self._edge.core.report([self._event(ask, replier, began)])

    async def _ask_and_send(self, ask: Ask, replier: Replier) -> None:
        memory = self._edge.memory
        for attempt in range(ATTEMPTS):
            try:
                answer: Answer | None = memory.find(ask)
                if answer is None:
                    forgets = memory.forgets
                    answer = await self._ask(ask)
                    memory.keep(ask, answer, forgets)
                self._labels = answer.labels
                if self._head is not None and isinstance(answer, Reply):
                    memory.learn(place(self._named, self._authority, self._stream.requested_name), self._head, ask)
                await replier.send(answer if self._mirror is None else self._mirror.shown(answer))
                break
            except FileNotFoundError:
                # Evicted between the answer and the opening: ask again.
                memory.drop(ask)
                if attempt + 1 == ATTEMPTS or ask.body is not None:
                    raise

    async def _ask(self, ask: Ask) -> Answer:
        """The core's answer; small content that may be repeated is taken in hand."""
        if self._upload is not None:
            self._upload.asked()
        try:
            answer = await self._edge.core.answer(ask)
        except CoreAway as error:
            head, body = refusal(503, "UNAVAILABLE", str(error), (("Retry-After", "1"),))
            return Reply(head, body, Labels(Outcome.ERROR))
        if isinstance(answer, Stored) and answer.until and answer.size <= MAX_BODY and ask.method == "GET":
            return await in_hand(self._edge.core, self._edge.content_directory, self._edge.disk, answer)
        return answer

    def _event(self, ask: Ask, replier: Replier, began: float) -> ExchangeFinished:
        sent = replier.sent
        now = time.monotonic()
        return ExchangeFinished(
            self._client,
            ask.authority.name,
            printable(ask.method, MAX_METHOD),
            sent.status,
            sent.bytes,
            (now - began) * 1000,
            self._labels,
            sent.complete,
            ((sent.began_at or now) - began) * 1000,
            self._left and not sent.complete,
            trace_of(ask.fields) if ask.span is None else ask.span.trace,
            self._user,
            sent.streamed,
            ask.span,
        )
