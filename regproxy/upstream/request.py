"""What is asked of an upstream, where its answer goes, and the limits that every exchange keeps."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from regproxy.model.address import Authority
from regproxy.model.egress import Timeouts
from regproxy.model.message import Fields, Head, is_method
from regproxy.model.registry import Registry
from regproxy.model.trace import Span

_TARGET = re.compile(r"(?:/[\x21-\x7e\x80-\xff]*|\*)\Z")


class BodySource(Protocol):
    """A request body that comes piece by piece; `size` None sends it chunked.

    A source that stays silent for `Limits.stall` seconds ends the transfer, as a silent upstream does.
    """

    @property
    def size(self) -> int | None:
        """How many bytes there will be, if known."""
        ...

    def attach(self, resume: Callable[[], None]) -> None:
        """Whom to call when there is more to read after `read` gave None; called once, before the first `read`."""
        ...

    def read(self, limit: int) -> bytes | None:
        """At most `limit` bytes; None: nothing now, the sending pauses until it is resumed; empty: the end."""
        ...


class BodySink(Protocol):
    """Who takes an answer. Both are called by libcurl in the middle of its work: they never start a transfer.

    An exception from either ends the transfer and comes out of `Transfer.finished`.
    """

    def head(self, head: Head) -> None:
        """The final head, exactly once, before any data; informational (1xx) heads are left out."""
        ...

    def data(self, chunk: bytes) -> bool:
        """A piece of the body; False: not taken, the same piece comes again after `Transfer.resume`."""
        ...


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to one authority; `purpose` is `manifest`, `blob`, `upload`, `list`, `token`, `ping` or `other`.

    `target` is sent as it stands; `has_reserve`: the pulls that the registry's block keeps may be spent on it.
    `repository`: what it is about, and `span`: the exchange that it is for, for whoever traces that. Raises ValueError
    for a target or method that could break the request line.
    """

    authority: Authority
    scheme: str
    registry: Registry
    method: str
    target: str
    fields: Fields
    purpose: str
    body: bytes | BodySource | None = None
    has_reserve: bool = True
    repository: str = ""
    span: Span | None = None

    def __post_init__(self) -> None:
        if not _TARGET.match(self.target):
            raise ValueError(f"{self.target[:80]!r} is not a request target")
        if not is_method(self.method):
            raise ValueError(f"{self.method[:40]!r} is not a method")
        if self.scheme not in ("https", "http"):
            raise ValueError(f"{self.scheme[:20]!r} is not a scheme that we speak")

    @property
    def url(self) -> str:
        """The request as a URL, for resolving references; it may hold secrets, so it is never logged."""
        return f"{self.scheme}://{self.authority}{self.target}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one exchange; times in seconds, sizes in bytes.

    `connect` covers name look-up, TCP and TLS. `stall` whole seconds below `slowest` bytes a second end a transfer.
    An upload may be silent for `upload` seconds on either side: a client compresses, a registry puts together.
    """

    connect: float = 5.0
    first_byte: float = 30.0
    stall: int = 30
    upload: int = 300
    slowest: int = 1024
    head_bytes: int = 64 * 1024
    head_fields: int = 100
    informational: int = 16
    concurrent: int = 128
    queued: int = 1024

    def within(self, times: Timeouts) -> "Limits":
        """These limits, but for what a registry's block says itself."""
        return replace(
            self,
            connect=self.connect if times.connect is None else times.connect,
            first_byte=self.first_byte if times.first_byte is None else times.first_byte,
            stall=self.stall if times.idle is None else math.ceil(times.idle),
        )

    def of(self, purpose: str) -> "Limits":
        """The limits of one request for this purpose."""
        return replace(self, first_byte=self.upload, stall=self.upload) if purpose == "upload" else self
