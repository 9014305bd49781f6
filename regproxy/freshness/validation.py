"""Asking an origin whether a stored response still holds, and what its answer changes (RFC 9111 §4.3, §3.2)."""

from regproxy.freshness.origin import Response, received
from regproxy.model.message import Fields, Head, content_length, end_to_end, field, without

# Fields by which a client asks for less than the whole; ours take their place.
CONDITIONS = frozenset("if-none-match if-modified-since if-range range".split())
# Only the origin can say whether these hold (RFC 9111 §4.3.2): the request is not ours to answer.
FOR_THE_ORIGIN = frozenset({"if-match", "if-unmodified-since"})
# The stored bytes are as they were coded and cut: a 304 that says otherwise is wrong (§3.2).
_OF_THE_BODY = frozenset({"content-length", "content-encoding", "content-range"})


def conditions(response: Response) -> Fields:
    """The fields that ask whether it still holds (§4.3.1); none without a validator."""
    etag, modified = field(response.fields, "etag"), field(response.fields, "last-modified")
    by_etag: Fields = (("If-None-Match", etag),) if etag is not None else ()
    by_date: Fields = (("If-Modified-Since", modified),) if modified is not None else ()
    return by_etag + by_date


def is_about(response: Response, head: Head) -> bool:
    """Whether a 304 is about the stored response (§4.3.4): one that names another entity tag is not."""
    etag = head.get("etag")
    return etag is None or _opaque(etag) == _opaque(field(response.fields, "etag") or "")


def freshened(response: Response, head: Head, asked_at: float, at: float) -> Response:
    """The stored response with the fields of a 304, or of a HEAD (§3.2)."""
    news = without(end_to_end(head.fields), _OF_THE_BODY)
    kept = without(response.fields, {name.lower() for name, _ in news} | {"age", "date"})
    return received(Head(response.status, (*kept, *news)), asked_at, at)


def is_same(response: Response, size: int, head: Head) -> bool:
    """Whether a HEAD describes what is stored (§4.3.5)."""
    for name in ("etag", "last-modified"):
        said = head.get(name)
        if said is not None and said != field(response.fields, name):
            return False
    try:
        length = content_length(head.fields)
    except ValueError:
        return False
    return head.status == response.status and length in (None, size)


def _opaque(etag: str) -> str:
    return etag.strip().removeprefix("W/")
