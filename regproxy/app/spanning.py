"""Spans of exchanges, where the operator names a collector for them: else their library is not even loaded."""

import time
from collections.abc import Callable
from secrets import token_hex
from typing import TYPE_CHECKING

from regproxy import __version__

if TYPE_CHECKING:
    from regproxy.telemetry.spans import Spans


def spans_to(endpoint: str | None, warn: Callable[[str], None]) -> "Spans | None":
    """Spans on their way to this collector, made on the running loop; the extra `regproxy[otel]` must be there."""
    if endpoint is None:
        return None
    from regproxy.telemetry.spans import Spans  # noqa: PLC0415 -- an extra, which most installations lack

    return Spans(endpoint, __version__, time.time, token_hex, warn)
