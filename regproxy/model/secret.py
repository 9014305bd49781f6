"""A secret that the policy names: usable in one place, printable nowhere."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a secret comes from: `file` and an absolute path, or `env` and the name of a variable."""

    kind: Literal["file", "env"]
    name: str


@dataclass(frozen=True, slots=True)
class Secret:
    """The value, where it came from and when, in seconds since the epoch; its representation holds no value."""

    origin: Origin
    value: str = field(repr=False)
    read_at: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        return f"{self.origin.kind} {self.origin.name}"

    def reveal(self) -> str:
        """The value: for the one place that sends it."""
        return self.value
