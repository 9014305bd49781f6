"""One call of the API: its place, what it takes, and what answers it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import getdoc

MAX_DIGITS = 12
Handler = Callable[[Mapping[str, str]], Awaitable[Mapping[str, object]]]


class NotHereError(ValueError):
    """The query is right, and what it names is not in the cache."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name of a query, and what its value says."""

    name: str
    says: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One call: `handler` gets the query; it raises ValueError, a sentence, for a query that is wrong."""

    method: str
    path: str
    handler: Handler
    parameters: tuple[Parameter, ...] = ()

    @property
    def summary(self) -> str:
        """What it does, in the words of its handler."""
        return (getdoc(self.handler) or "").partition("\n")[0]


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """The number from 1 to `most` that a query gives, `default` where it gives none; raises ValueError, a sentence."""
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS or not 0 < int(text) <= most:
        raise ValueError(f"`{name}` is a number from 1 to {most}")
    return int(text)
