"""How stale an answer is, and what it was served stale for."""

from dataclasses import dataclass
from typing import Literal

StaleReason = Literal[
    "rate_limited", "upstream_error", "upstream_timeout", "circuit_open", "while_revalidate", "client"
]


@dataclass(frozen=True, slots=True)
class Stale:
    """`seconds` since its freshness ended; `client`: it takes stale answers (`max-stale`)."""

    reason: StaleReason
    seconds: float
