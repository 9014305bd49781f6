"""What was used since uses were last written down, and for how long tiers keep it."""

from dataclasses import dataclass, field

from regproxy.model.decision import Keep
from regproxy.model.oci import Digest
from regproxy.store.pools import BRIEFLY, LONGEST, NORMALLY

MAX_USES = 65536  # pieces of content; beyond it the oldest is forgotten
_KEEPS: dict[Keep, int] = {"briefly": BRIEFLY, "normal": NORMALLY, "pinned": LONGEST}


@dataclass(slots=True)
class Uses:
    """When content was last used, and the longest that a tier asked for it."""

    touched: dict[Digest, float] = field(default_factory=dict)
    kept: dict[Digest, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.touched or self.kept)

    def touch(self, digest: Digest, now: float) -> None:
        """Somebody used this content now."""
        self.touched.pop(digest, None)
        if len(self.touched) >= MAX_USES:
            del self.touched[next(iter(self.touched))]
        self.touched[digest] = now

    def keep(self, digest: Digest, keep: Keep) -> None:
        """A tier keeps this content so."""
        wanted = max(_KEEPS[keep], self.kept.pop(digest, BRIEFLY))
        if len(self.kept) >= MAX_USES:
            del self.kept[next(iter(self.kept))]
        self.kept[digest] = wanted
