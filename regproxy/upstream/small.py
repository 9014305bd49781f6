"""Sinks of few lines: one collects a small body up to a limit, one takes only what is public."""

from regproxy.model.account import ANONYMOUS, Account
from regproxy.model.message import Head
from regproxy.upstream.admission import Admission
from regproxy.upstream.request import BodySink, UpstreamRequest


class SmallSink:
    """Collects a body of at most `limit` bytes; one byte more ends the transfer with ValueError."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()

    def head(self, head: Head) -> None:
        """Nothing to decide: the head comes from the transfer."""

    def data(self, chunk: bytes) -> bool:
        """Keep the piece."""
        if len(self._body) + len(chunk) > self._limit:
            raise ValueError(f"the answer is larger than {self._limit} bytes")
        self._body += chunk
        return True

    @property
    def body(self) -> bytes:
        """What came so far."""
        return bytes(self._body)


class PublicSink:
    """Passes on what strangers are answered; where they are refused it raises what it was made with instead."""

    def __init__(self, sink: BodySink, otherwise: Exception) -> None:
        self._sink = sink
        self._otherwise = otherwise

    def head(self, head: Head) -> None:
        """Judge the answer; to strangers some registries say 404 of what is private."""
        if head.status in (401, 403, 404):
            raise self._otherwise
        self._sink.head(head)

    def data(self, chunk: bytes) -> bool:
        """Pass the piece on."""
        return self._sink.data(chunk)


async def small_body(
    admission: Admission, request: UpstreamRequest, limit: int, account: Account | None = ANONYMOUS
) -> tuple[Head, bytes]:
    """One exchange, nothing followed.

    Raises ValueError when the body is larger than `limit`, UpstreamFailed, and Limited while a limit stops it.
    """
    sink = SmallSink(limit)
    transfer = await admission.open(request, sink, account)
    try:
        await transfer.finished()
        return await transfer.head(), sink.body
    finally:
        transfer.cancel()
