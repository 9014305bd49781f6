"""Who asks: nobody in particular, or somebody with a login, known by what does not change from pull to pull."""

import math
from dataclasses import dataclass

from regproxy.model.account import Own


@dataclass(frozen=True, slots=True)
class Stranger:
    """Brings no login of its own."""


@dataclass(frozen=True, slots=True)
class Identified:
    """Brings a login; `name` is for people.

    With a token of ours that is for a `scope`, and until `until`, seconds since the epoch.
    """

    own: Own
    name: str
    scope: str = ""
    until: float = math.inf

    @property
    def by_token(self) -> bool:
        """Whether it was a token of ours that brought it."""
        return self.until < math.inf


Caller = Stranger | Identified
STRANGER = Stranger()
