"""Content that is passed on unstored, whole or in part: no part that holds its end leaves before the whole is hashed.

Only the whole body tells whether its last bytes are right. So what a range holds of the last 64 KiB waits until the
whole was fetched and hashed as well; who does not read that far, as clients that fetch parts do, costs nothing more.
Where the beginning was hashed before, a range is cut out of the rest.
"""

import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from regproxy.cache.relay import Outflow
from regproxy.cache.verification import EVERYTHING, HOLD_BACK, Auditor, PartVerification, Prefix, Verification
from regproxy.model.answer import BrokenBody
from regproxy.model.decision import FailureClass
from regproxy.model.message import ByteRange, Extent, Fields, Head, content_length, content_range, field, only, without
from regproxy.model.oci import Digest
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.session import OpenTransfer

Follow = Callable[[UpstreamRequest, BodySink], Coroutine[Any, Any, OpenTransfer]]
Opened = tuple[Head, OpenTransfer, Outflow]

_RANGES = frozenset(["range", "if-range"])
# Several ranges at once, and what is no range of bytes, are answered with the whole (RFC 9110 §14.2).
_SINGLE = re.compile(r"bytes=[ \t]*(?:(?P<first>\d{1,18})-(?P<last>\d{1,18})?|-\d{1,18})\Z", re.IGNORECASE)


async def opened(request: UpstreamRequest, follow: Follow) -> Opened:
    """One transfer up to its head, and where its body will flow; raises UpstreamFailed and ValueError."""
    outflow = Outflow()
    try:
        transfer = await follow(request, outflow)
    except BaseException:
        outflow.discard()
        raise
    return transfer.head, transfer, outflow


class Excerpt:
    """One GET for content of a digest; `prefix` is what of it was hashed before, `mismatched` hears of other bytes."""

    def __init__(
        self,
        request: UpstreamRequest,
        digest: Digest,
        follow: Follow,
        prefix: Prefix | None,
        mismatched: Callable[[], None],
    ) -> None:
        asked = only(request.fields, _RANGES)
        single = _SINGLE.match((field(asked, "range") or "").strip())
        self._first = int(single["first"]) if single is not None and single["first"] else None
        self._stop = int(single["last"]) + 1 if single is not None and single["last"] else EVERYTHING.stop
        self._asked: Fields = asked if single is not None else ()
        self._request = replace(request, fields=without(request.fields, _RANGES))
        self._digest = digest
        self._follow = follow
        self._prefix = prefix
        self._mismatched = mismatched

    async def open(self) -> Opened:
        """The head for the client, and the transfer that feeds its body; raises UpstreamFailed and ValueError."""
        if self._prefix is not None and self._first == self._prefix.start < self._stop:
            return await self._cut(self._prefix, None)
        head, transfer, outflow = await self._send(self._asked)
        extent = content_range(head.fields) if self._asked and head.status == 206 else None
        if head.status == 200 or (extent is not None and (extent.start, extent.stop) == (0, extent.size)):
            outflow.verify(Verification(self._digest, self._mismatched))
        elif head.status == 206 and (extent is None or extent.size is None):
            self._give_up(transfer, outflow)
            raise self._failed("answered a part without saying which")
        elif extent is not None and extent.size is not None and extent.stop > extent.size - HOLD_BACK:
            if self._prefix is not None and self._prefix.start <= extent.start:
                self._give_up(transfer, outflow)
                return await self._cut(self._prefix, extent)
            outflow.verify(PartVerification(extent, extent.size, self._audit))
        return head, transfer, outflow

    async def _cut(self, prefix: Prefix, window: Extent | None) -> Opened:
        """What the window shows of the whole, or all behind the prefix; sent from there on if the upstream can."""
        head, transfer, outflow = await self._send((("Range", f"bytes={prefix.end}-"),))
        extent = content_range(head.fields)
        goes_on = head.status == 206 and extent is not None and extent.start == prefix.end
        size = extent.size if goes_on and extent is not None else content_length(head.fields)
        if window is None and size is not None:
            window = Extent(prefix.start, min(self._stop, size), size)
        if window is None or not (goes_on or head.status == 200):
            self._give_up(transfer, outflow)
            raise self._failed(f"answered {head.status} when asked for the rest")
        span = ByteRange(window.start, window.stop)
        outflow.verify(Verification(self._digest, self._mismatched, span, prefix if goes_on else None))
        return _partial(head, window), transfer, outflow

    async def _audit(self, extent: Extent, part: str) -> None:
        """Fetch the whole for its hash; raises BrokenBody where it is wrong, or has another part there."""
        auditor = Auditor(self._digest, extent)
        transfer = await self._follow(self._request, auditor)
        try:
            if transfer.head.status != 200:
                raise self._failed(f"answered {transfer.head.status} for the whole of what it gave a part of")
            await transfer.finished()
        finally:
            transfer.cancel()
        if auditor.whole != self._digest.encoded:
            self._mismatched()
            raise BrokenBody(f"the bytes do not hash to {self._digest}")
        if auditor.part != part:
            raise BrokenBody(f"the part is of other bytes than those that hash to {self._digest}")

    async def _send(self, fields: Fields) -> Opened:
        return await opened(replace(self._request, fields=(*self._request.fields, *fields)), self._follow)

    @staticmethod
    def _give_up(transfer: OpenTransfer, outflow: Outflow) -> None:
        transfer.cancel()
        outflow.discard()

    def _failed(self, sentence: str) -> UpstreamFailed:
        return UpstreamFailed(FailureClass.RESET, f"{self._request.authority.name}: {sentence}")


def _partial(head: Head, window: Extent) -> Head:
    extent = ("Content-Range", f"bytes {window.start}-{window.stop - 1}/{window.size}")
    length = ("Content-Length", str(window.stop - window.start))
    return Head(206, (*without(head.fields, ["content-range", "content-length"]), extent, length))
