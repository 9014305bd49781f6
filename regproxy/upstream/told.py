"""What is told of an exchange with an upstream when it has ended."""

from collections.abc import Iterator

from regproxy.model.event import Event, UpstreamFinished
from regproxy.model.exchange import Shown, UpstreamAnswered, path_of, shown
from regproxy.model.message import Head
from regproxy.upstream.request import UpstreamRequest


def told(
    request: UpstreamRequest, head: Head | None, size: int, milliseconds: float, first_byte: float, failure: str
) -> Iterator[Event]:
    """One event to count, and where it is about a repository, one to look at; times in milliseconds."""
    registry, status, span = request.registry.name, head.status if head is not None else 0, request.span
    first = first_byte if head is not None else None
    yield UpstreamFinished(registry, request.purpose, request.method, status, size, milliseconds, failure, first, span)
    if request.repository:
        received = shown(head.fields) if head is not None else ()
        path, sent = path_of(request.target), shown(request.fields)
        exchange = Shown(request.authority.name, request.method, path, sent, status, received)
        yield UpstreamAnswered(registry, request.repository, exchange, failure, milliseconds)
