"""Whole small bodies: a sink that collects up to a limit."""

from regproxy.model.message import Head
from regproxy.upstream.admission import Admission
from regproxy.upstream.quota import ANONYMOUS
from regproxy.upstream.request import UpstreamRequest


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


async def small_body(
    admission: Admission, request: UpstreamRequest, limit: int, account: str | None = ANONYMOUS
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
