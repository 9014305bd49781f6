"""Where spans go: a collector's URL, and whether this installation can send any."""

from importlib.util import find_spec
from urllib.parse import urlsplit

EXTRA = "regproxy[otel]"
_SENDER = "opentelemetry.exporter.otlp.proto.http"


def collector(text: str) -> str:
    """The URL of an OTLP collector without `/v1/traces`; raises ValueError that says what is wrong with it."""
    try:
        url = urlsplit(text)
        fits = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{text[:80]!r} is no URL of a collector, such as http://otel-collector:4318")
    if "@" in url.netloc:
        raise ValueError("a collector's URL has no credentials in it; they belong into OTEL_EXPORTER_OTLP_HEADERS")
    if url.query or url.fragment:
        raise ValueError(f"{text[:80]!r} has more than a path; /v1/traces is added to it")
    return text


def can_send() -> bool:
    """Whether the extra is installed."""
    try:
        return find_spec(_SENDER) is not None
    except ModuleNotFoundError:
        return False
