"""The head of an intercepted answer as clients see it: what every one of them carries, and how it reads in bytes."""

from http import HTTPStatus

from regproxy.model.event import Labels
from regproxy.model.message import Fields, Head, printable, without

_STATUS_FIELD = "X-Docker-Registry-Proxy-Cache-Upstream-Status"
_TYPE_FIELD = "X-Docker-Registry-Proxy-Cache-Type"


def shown(head: Head, labels: Labels) -> Fields:
    """The fields of an answer with ours: where it came from, by RFC 9211 and in the seed's words, and Via."""
    return (
        *without(head.fields, [_STATUS_FIELD.lower(), _TYPE_FIELD.lower()]),
        ("Cache-Status", labels.outcome.cache_status(head.status)),
        (_STATUS_FIELD, labels.outcome.seed),
        (_TYPE_FIELD, labels.tier or "unknown"),
        ("Via", "1.1 regproxy"),
    )


def phrase(head: Head) -> str:
    """The reason phrase: the head's own, or the status's usual one."""
    if head.reason:
        return printable(head.reason)
    try:
        return HTTPStatus(head.status).phrase
    except ValueError:
        return "Unknown"


def rendered(head: Head, fields: Fields) -> bytes:
    """Status line and fields in bytes, without the empty line that ends a head."""
    lines = [f"HTTP/1.1 {head.status} {phrase(head)}", *(f"{name}: {value}" for name, value in fields)]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")
