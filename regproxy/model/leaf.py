"""Leaves: short-lived certificates for exactly one name each, as values."""

import datetime
from dataclasses import dataclass


class NotValidNow(Exception):  # noqa: N818 -- a state of the clock, not a fault of the request
    """The CA has ended, or not begun by this clock: nothing can be signed now; the text is for the client."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate for one name; `pem` is what a server loads: key, leaf, chain. Times are seconds since the epoch."""

    name: str
    pem: bytes
    not_before: float
    not_after: float
    renew_at: float

    def serves(self, now: float) -> bool:
        """Whether it is valid and young enough; a clock that was set back makes a leaf too new as well."""
        return self.not_before <= now < self.renew_at

    def valid(self, now: float) -> bool:
        """Whether clients accept it still, young or not."""
        return self.not_before <= now < self.not_after

    def __repr__(self) -> str:
        """Without the key."""
        until = datetime.datetime.fromtimestamp(int(self.not_after), datetime.UTC)
        return f"Leaf({self.name!r}, until {until:%Y-%m-%dT%H:%MZ})"
