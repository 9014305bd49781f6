"""Exchanges with their headers, for whoever looks into one: nothing secret is ever in them."""

from dataclasses import dataclass

from regproxy.model.message import Fields, printable

MAX_FIELDS = 40
MAX_VALUE = 256
HIDDEN = "(hidden)"
# Fields whose values are shown; of every other one only the name is. Of URLs the query, which may be signed, is not.
_SHOWN = frozenset(
    "accept accept-encoding accept-ranges age allow cache-control connection content-encoding content-length "
    "content-range content-type date docker-content-digest docker-distribution-api-version docker-ratelimit-source "
    "etag expect expires host if-modified-since if-none-match if-range last-modified oci-filters-applied oci-subject "
    "range ratelimit-limit ratelimit-remaining ratelimit-reset retry-after server traceparent transfer-encoding "
    "user-agent vary via warning www-authenticate".split()
)
_URLS = frozenset({"location", "content-location", "link"})


@dataclass(frozen=True, slots=True)
class Shown:
    """A message: its path without the query, and its fields as `shown` leaves them; `status` 0: there was no answer."""

    authority: str
    method: str
    path: str
    sent: Fields
    status: int
    received: Fields


@dataclass(frozen=True, slots=True)
class AskAnswered:
    """The core answered a client's request; what an edge repeats from memory it does not hear of in this way."""

    client: str
    registry: str
    repository: str
    outcome: str
    tier: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class UpstreamAnswered:
    """A registry, or where it led to, answered a request about a repository, or did not."""

    registry: str
    repository: str
    shown: Shown
    failure: str
    milliseconds: float


Traced = AskAnswered | UpstreamAnswered


def shown(fields: Fields) -> Fields:
    """Fields that may be looked at: values that tell who asks, or let others ask, are hidden."""
    return tuple((printable(name, 60), _value(name.lower(), value)) for name, value in fields[:MAX_FIELDS])


def path_of(target: str) -> str:
    """The target without its query."""
    return printable(target.partition("?")[0], MAX_VALUE)


def _value(name: str, value: str) -> str:
    if name in _URLS:
        before, query, _ = value.partition("?")
        return printable(before, MAX_VALUE) + (f"?{HIDDEN}" if query else "")
    return printable(value, MAX_VALUE) if name in _SHOWN else HIDDEN
