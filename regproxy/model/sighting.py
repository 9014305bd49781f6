"""What the proxy saw of one client's connections: told to that client alone, so that it can be set right."""

from dataclasses import dataclass
from typing import Literal

Deed = Literal["intercepted", "answered", "tunnelled", "refused", "failed", "untrusted", "broken"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """This came `count` times of what a client wanted of `authority`, the last time at `at` (seconds since the epoch).

    `untrusted`: the client did not accept our certificate; `broken`: it gave TLS up for another reason. `detail` is the
    reason that it was given, or the status of the last answer.
    """

    authority: str
    deed: Deed
    count: int
    at: float
    detail: str = ""
