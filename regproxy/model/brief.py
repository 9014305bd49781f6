"""Values in the few words that people read: sizes, times, shares, digests."""

from collections.abc import Mapping
from typing import Any

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SPANS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def rounded(count: float) -> str:
    """A number of bytes, to three digits or so."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {_UNITS[-1]}"


def span(seconds: float) -> str:
    """A time, in its largest unit."""
    for unit, length in _SPANS:
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return "0s"


def took(milliseconds: float) -> str:
    """A short time."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def standing(one: Mapping[str, Any], now: float) -> tuple[str, str]:
    """How a registry stands, in words, and whether that is `good`, `warn` or `bad`."""
    for key, words, tone in (
        ("blocked_until", "blocked", "bad"),
        ("open_until", "failing", "bad"),
        ("held_until", "limited (429)", "warn"),
    ):
        if one[key] > now:
            return f"{words} for {span(one[key] - now)}", tone
    return ("failed last", "warn") if one["cause"] else ("ok", "good")


def exchange(one: Mapping[str, Any]) -> str:
    """One of the exchanges about an image, without its fields: a client's, our answer, or one with a registry."""
    match one["event"]:
        case "request":
            asked = f"client {one['client']} {one['method']} {one['kind']} {one['reference']}"
            how = f"{one['status']} {one['outcome']}, {one['bytes']} bytes in {one['milliseconds']} ms"
            return f"{one['time']} {asked} -> {how}"
        case "answer":
            asked = f"{one['client']} asked {one['authority']}: {one['method']} {one['path']}"
            return f"{one['time']} {asked} -> {one['status']} {one['outcome']}"
        case _:
            how = one["failure"] or one["status"]
            asked = f"asked {one['authority']}: {one['method']} {one['path']} -> {how}"
            return f"{one['time']} the proxy {asked}, {one['milliseconds']} ms"


def short(digest: str) -> str:
    """As much of a digest as people compare."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}:{encoded[:12]}"
