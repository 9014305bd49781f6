"""One difference between two policies, in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """What is different, for example a request, and what the old and the new policy do with it."""

    subject: str
    old: str
    new: str
