"""A response that may be stored, on its way: collected in bounds, or handed on to a relay with what has come so far."""

import asyncio
from collections.abc import Callable

from regproxy.cache.relay import Outflow
from regproxy.model.message import Head, content_length
from regproxy.upstream.session import OpenTransfer

# What an origin decides about is small: indexes, lists, pages. Larger bodies are relayed and not stored.
MAX_BODY = 4 * 1024 * 1024


class Gathering:
    """The sink of one transfer; `wants` decides at its head whether the body is collected, up to `limit` bytes.

    A body that is not, or that outgrows the bound, waits until it is diverted or its transfer is given up.
    """

    def __init__(self, wants: Callable[[Head], bool], limit: float = MAX_BODY) -> None:
        self._wants = wants
        self._limit = min(MAX_BODY, limit)
        self._body = bytearray()
        self._outflow: Outflow | None = None
        self._outgrown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.collects = False

    def head(self, head: Head) -> None:
        """The final head."""
        self.collects = self._wants(head) and self._fits(head)

    def data(self, chunk: bytes) -> bool:
        """Take a piece of the body; False while nobody knows where to put it."""
        if self._outflow is not None:
            return self._pass_on(self._outflow, chunk)
        if self.collects and len(self._body) + len(chunk) > self._limit:
            self.collects = False
            self._outgrown.set_result(None)
        if self.collects:
            self._body += chunk
        return self.collects

    def _pass_on(self, outflow: Outflow, chunk: bytes) -> bool:
        if self._body:
            if not outflow.data(bytes(self._body)):
                return False
            self._body.clear()
        return outflow.data(chunk)

    async def whole(self, transfer: OpenTransfer) -> bytes | None:
        """The body once it is whole; None when it outgrew the bound. Raises what `transfer.finished` raises."""
        if not self.collects and not self._outgrown.done():
            return None
        finished = asyncio.ensure_future(transfer.finished())
        finished.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.wait({finished, self._outgrown}, return_when=asyncio.FIRST_COMPLETED)
            if self._outgrown.done():
                return None
            await finished
        finally:
            finished.cancel()
        return bytes(self._body)

    def divert(self, outflow: Outflow) -> None:
        """Hand what came and what comes to a relay, which runs the transfer from now on."""
        self._outflow = outflow

    def _fits(self, head: Head) -> bool:
        try:
            return (content_length(head.fields) or 0) <= self._limit
        except ValueError:
            return False
