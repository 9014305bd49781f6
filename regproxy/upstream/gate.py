"""Between an upstream and a sink: only the final answer gets through, those on the way to it are swallowed."""

from collections.abc import Callable

from regproxy.model.message import Head
from regproxy.upstream.request import BodySink

MAX_SWALLOWED = 64 * 1024


class Gate:
    """A sink before the sink; `passed` says whether the answer was the final one."""

    def __init__(self, sink: BodySink, is_final: Callable[[Head], bool]) -> None:
        self._sink = sink
        self._is_final = is_final
        self._swallowed = 0
        self.passed = False

    def head(self, head: Head) -> None:
        """Judge the answer."""
        self.passed = self._is_final(head)
        if self.passed:
            self._sink.head(head)

    def data(self, chunk: bytes) -> bool:
        """Pass the piece on, or swallow it; raises ValueError when that is too much."""
        if self.passed:
            return self._sink.data(chunk)
        self._swallowed += len(chunk)
        if self._swallowed > MAX_SWALLOWED:
            raise ValueError("an answer on the way to the final one is too large")
        return True
