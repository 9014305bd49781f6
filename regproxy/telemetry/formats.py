"""The other formats of the log: for people, and for what reads the log of rpardini/docker-registry-proxy."""

from datetime import UTC, datetime
from typing import Any, Literal, get_args

from regproxy.model.event import Outcome
from regproxy.telemetry.fields import Fields

LogFormat = Literal["json", "human", "seed"]
LOG_FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)

_LIST = {"tags": "/v2/{repository}/tags/list", "catalog": "/v2/_catalog", "ping": "/v2/"}
_NAMED = {"manifest": "manifests", "blob": "blobs", "referrers": "referrers"}
# In the seed's log the time is that of the upstream, and empty where it was not asked.
_ASKED = frozenset({Outcome.MISS, Outcome.EXPIRED, Outcome.REVALIDATED, Outcome.PASS, Outcome.COLLAPSED})
_WIDTH = 11


def log_form(asked: str, *, terminal: bool) -> LogFormat:
    """The format that a name means; `auto` is for people where they read along. Raises ValueError."""
    if asked == "auto":
        return "human" if terminal else "json"
    for form in LOG_FORMATS:
        if form == asked:
            return form
    raise ValueError(f"{asked!r} is no format of the log: auto, {', '.join(LOG_FORMATS)}")


def seed(fields: Fields, at: float) -> Fields:
    """A request in the eleven fields of the seed's `tweaked` format, all of them strings, and then our own.

    What it calls `upstream`, an address, we do not tell.
    """
    outcome = Outcome(fields["outcome"])
    own = {name: value for name, value in fields.items() if name not in ("method", "status")}
    return {
        "access_time": datetime.fromtimestamp(int(at), UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "upstream_cache_status": outcome.seed,
        "method": fields["method"],
        "uri": _path(fields),
        "request_type": fields["tier"] or "unknown",
        "status": str(fields["status"]),
        "bytes_sent": str(fields["bytes"]),
        "upstream_response_time": f"{fields['milliseconds'] / 1000:.3f}" if outcome in _ASKED else "",
        "host": fields["authority"],
        "proxy_host": fields["authority"],
        "upstream": "",
        **own,
    }


def human(time: str, fields: Fields) -> str:
    """A line for people; values are printable already."""
    match fields:
        case {"event": "request", "outcome": outcome, "status": status, "method": method}:
            whole = "" if fields["complete"] else ", not whole"
            what = f"{status} {method:<4} {fields['authority']} {_image(fields)}"
            return f"{time} {outcome:<{_WIDTH}} {what} {_spent(fields, 'bytes')} to {fields['client']}{whole}\n"
        case {"event": "pull", "pull": outcome}:
            bytes_ = f"{_size(fields['hit_bytes'])} from the cache, {_size(fields['missed_bytes'])} fetched"
            what = f"{outcome}: {fields['authority']} {_image(fields)}, {bytes_}, {fields['spent']} pulls spent"
            return f"{time} {'pull':<{_WIDTH}} {what}, in {fields['milliseconds']:g} ms to {fields['client']}\n"
        case {"event": event, "message": message}:
            return f"{time} {event:<{_WIDTH}} {message}\n"
        case _:
            said = (f"{name}={_said(value)}" for name, value in fields.items() if name != "event" and value != "")
            return f"{time} {fields.get('event', ''):<{_WIDTH}} {' '.join(said)}\n"


def _path(fields: Fields) -> str:
    """The path that was asked for, as far as the log knows it: of what is no registry's, only that it was."""
    kind, repository, reference = fields["kind"], fields["repository"], fields["reference"]
    if kind in _NAMED:
        return f"/v2/{repository}/{_NAMED[kind]}/{reference}"
    return _LIST.get(kind, "").format(repository=repository)


def _image(fields: Fields) -> str:
    repository, reference = fields["repository"], fields["reference"]
    if not repository:
        return str(fields.get("kind", "")) or "-"
    return f"{repository}{'@' if ':' in reference else ':'}{reference}" if reference else str(repository)


def _spent(fields: Fields, name: str) -> str:
    return f"{_size(fields[name])} in {fields['milliseconds']:g} ms"


def _size(count: int) -> str:
    size, units = float(count), iter(("B", "KiB", "MiB", "GiB"))
    unit = next(units)
    while size >= 1024 and (larger := next(units, None)) is not None:
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _said(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
