"""What an origin says about its response: how old it is, and for how long it is fresh (RFC 9111 §4.2)."""

import math
from dataclasses import dataclass

from regproxy.freshness.directives import Directives, response_directives
from regproxy.model.date import date_text, http_date
from regproxy.model.message import Fields, Head, end_to_end, field, without

# RFC 9110 §15.1: statuses that may be reused without being told for how long.
HEURISTIC = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
# RFC 9111 §4.2.2 suggests a tenth of the time since the last change; a bound keeps old files from living for weeks.
HEURISTIC_SHARE = 0.1
MAX_HEURISTIC = 86400.0
_STRICT = ("must-revalidate", "proxy-revalidate", "s-maxage")


@dataclass(frozen=True, slots=True)
class Response:
    """A stored response as of its last validation; `at` is when that came, in seconds.

    Its fields hold `Date`, and in `Age` how old it was by then (§4.2.3); they hold no Content-Length.
    """

    status: int
    fields: Fields
    at: float

    @property
    def told(self) -> Directives:
        """Its Cache-Control."""
        return response_directives(self.fields)


def received(head: Head, asked_at: float, at: float) -> Response:
    """A response from the wire, asked for at `asked_at`: hop-by-hop and withheld fields gone, its age corrected.

    What `no-cache` and `private` name is for this one answer and not for the store (§5.2.2.4, §5.2.2.7).
    """
    fields = end_to_end(head.fields)
    told = response_directives(fields)
    withheld = told.fields("no-cache") | told.fields("private")
    date = http_date(field(fields, "date"))
    initial = max(0.0, at - date if date is not None else 0.0, _age_value(fields) + max(0.0, at - asked_at))
    kept = without(fields, withheld | {"age", "content-length"})
    if date is None:
        # RFC 9110 §6.6.1: a recipient with a clock says when it came.
        kept = (*without(kept, ["date"]), ("Date", date_text(at)))
    return Response(head.status, (*kept, ("Age", str(int(initial)))), at)


def age(response: Response, now: float) -> float:
    """How old the response is (§4.2.3); for ever where the clock went back behind its validation."""
    return _age_value(response.fields) + now - response.at if now >= response.at else math.inf


def lifetime(response: Response) -> float:
    """For how long it is fresh (§4.2.1): s-maxage, max-age, Expires, or a guess in bounds; nonsense is stale."""
    told = response.told
    for name in ("s-maxage", "max-age"):
        seconds = told.seconds(name)
        if seconds is not None:
            return seconds
    date = http_date(field(response.fields, "date"))
    since = date if date is not None else response.at
    expires = field(response.fields, "expires")
    if expires is not None:
        end = http_date(expires)
        return max(0.0, end - since) if end is not None else 0.0
    return _heuristic(response, told, since)


def _heuristic(response: Response, told: Directives, since: float) -> float:
    modified = http_date(field(response.fields, "last-modified"))
    if modified is None or not (response.status in HEURISTIC or "public" in told):
        return 0.0
    return min(max(0.0, since - modified) * HEURISTIC_SHARE, MAX_HEURISTIC)


def may_be_stale(response: Response) -> bool:
    """Whether the origin leaves room for serving it stale (§4.2.4); s-maxage leaves none (§5.2.2.10)."""
    told = response.told
    return not (told.unqualified("no-cache") or any(name in told for name in _STRICT))


def _age_value(fields: Fields) -> float:
    """The Age field: its first value; what is no number says nothing (§5.1)."""
    first = (field(fields, "age") or "").partition(",")[0].strip()
    return float(int(first[:12])) if first.isascii() and first.isdigit() else 0.0
