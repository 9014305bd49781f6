"""The oldest libraries a start accepts: below these, known holes are open."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Floor:
    """A library's lowest version, the first one that is too new (if any), and what is wrong below."""

    library: str
    lowest: str
    reason: str
    below: str = ""


FLOORS = (
    Floor("tornado", "6.6.1", "older ones leak a request's credentials into the next and misread headers", "6.7"),
    Floor("libcurl", "8.23", "older ones reuse a connection or a handle with another request's credentials"),
    Floor("cryptography", "46.0.7", "older ones misjudge name constraints and overflow a buffer"),
)


def below_floors(versions: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each library of `FLOORS` whose version, by name in `versions`, is missing or out of bounds."""
    return tuple(
        sentence for sentence in (_problem(floor, versions.get(floor.library)) for floor in FLOORS) if sentence
    )


def _problem(floor: Floor, version: str | None) -> str:
    bounds = f"at least {floor.lowest}" + (f" and below {floor.below}" if floor.below else "")
    if version is None:
        return f"{floor.library} is missing; install {bounds}"
    if _numbers(version) < _numbers(floor.lowest):
        return f"{floor.library} {version} is too old: {floor.reason}; install {bounds}"
    if floor.below and _numbers(version) >= _numbers(floor.below):
        return f"{floor.library} {version} is too new to be known to work; install {bounds}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """The release numbers of a version, for comparison; trailing zeros do not count."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found.group().split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
