"""Images that are kept warm: asked about before a client asks, and fetched while nobody waits."""

from dataclasses import dataclass

from regproxy.model.inventory import TagKey


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of each day, in minutes after midnight UTC; one that ends before it begins reaches over midnight."""

    begin: int
    end: int

    def hold(self, now: float) -> bool:
        """Whether this moment, in seconds since the epoch, is within."""
        minute = int(now // 60) % (24 * 60)
        if self.begin <= self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@dataclass(frozen=True, slots=True)
class Warm:
    """A `warm NAME { }` block: every `every` seconds its tags are asked about, and what moved is fetched in `hours`.

    `platforms` as `linux/arm64/v8`; without any, those that clients pulled of the repository before.
    """

    name: str
    images: tuple[TagKey, ...]
    every: float
    platforms: tuple[str, ...] = ()
    hours: Hours | None = None
