"""The `cache { }` block: the limits of the disk, and sizes that contradict each other."""

from collections.abc import Iterator, Sequence

from regproxy.model.entry import CacheLimits
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, warning
from regproxy.policy.given import Entry
from regproxy.policy.syntax import Duration, Percent, Size, Word


def build_limits(blocks: Sequence[Checked]) -> CacheLimits:
    """What the block says, and the defaults for what it does not."""
    limits = CacheLimits()
    size, inactive, min_free, share = limits.size, limits.inactive, limits.min_free, limits.min_free_share
    max_object, evict, durability = limits.max_object, limits.evict, limits.durability
    for block in blocks:
        given = {key: entries[0].arguments[0] for key, entries in block.entries.items()}
        match given.get("size"):
            case Size(count):
                size = count
        match given.get("inactive"):
            case Duration(seconds):
                inactive = seconds
        match given.get("min-free"):
            case Size(count):
                min_free, share = count, 0.0
            case Percent(part):
                min_free, share = 0, part
        match given.get("max-object"):
            case Size(count):
                max_object = count
        match given.get("evict"):
            case Word(("lru" | "s3fifo") as rule):
                evict = rule
        match given.get("durability"):
            case Word(("full" | "data" | "none") as kept):
                durability = kept
    return CacheLimits(size, inactive, min_free, share, max_object, evict, durability)


def contradictions(top: Checked, cache: CacheLimits) -> Iterator[Diagnostic]:
    """RP502: a `max-object` that another limit comes before."""
    for block in (*top.inner("cache"), *top.inner("defaults"), *top.inner("tier")):
        for entry in block.all("max-object"):
            for given in entry.arguments:
                match given:
                    case Size(count) if count > cache.size:
                        yield _never(entry, "size")
                    case Size(count) if count > cache.max_object:
                        yield _never(entry, "max-object")


def _never(entry: Entry, limit: str) -> Diagnostic:
    sentence = f"nothing so large is stored: `cache {{ {limit} }}` is less"
    return warning("RP502", entry.span, sentence, help="write a smaller `max-object` here, or more there")
