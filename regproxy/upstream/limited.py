"""A request that is not sent, or was answered 429: whose limit it is, until when, and how that reads as an answer."""

import asyncio
import math
from datetime import UTC, datetime

from regproxy.model.message import Head
from regproxy.model.refusal import refusal
from regproxy.upstream.request import BodySink

MAX_RETRY_AFTER = 60


class Limited(Exception):  # noqa: N818 -- the request is limited, which is nobody's error
    """A limit holds; `sentence` says whose and until when, `wait` are the seconds till then."""

    def __init__(self, sentence: str, wait: float) -> None:
        self.sentence = sentence
        self.wait = wait
        super().__init__(sentence)

    def answer(self) -> tuple[Head, bytes]:
        """Our own 429; clients come back within a minute, since a hold may end early."""
        seconds = min(max(1, math.ceil(self.wait)), MAX_RETRY_AFTER)
        return refusal(429, "TOOMANYREQUESTS", f"regproxy: {self.sentence}", (("Retry-After", str(seconds)),))


class OwnAnswer:
    """An answer that is here already, given to a sink as a transfer would: head first, then data as it is taken."""

    def __init__(self, head: Head, body: bytes, sink: BodySink) -> None:
        self._body = body
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        sink.head(head)
        self._offer()

    def resume(self) -> None:
        """Go on after the sink took nothing."""
        self._loop.call_soon(self._offer)

    def cancel(self) -> None:
        """Give up; the sink hears nothing more."""
        self._ended.set()

    async def finished(self) -> None:
        """Return when the sink has taken it."""
        await self._ended.wait()

    def _offer(self) -> None:
        if not self._ended.is_set() and (not self._body or self._sink.data(self._body)):
            self._ended.set()


def utc(seconds: float) -> str:
    """A moment as it stands in a sentence."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")
