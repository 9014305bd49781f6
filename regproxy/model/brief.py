"""Values in the few words that people read: sizes, times, shares, digests."""

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


def short(digest: str) -> str:
    """As much of a digest as people compare."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}:{encoded[:12]}"
