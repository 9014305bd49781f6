"""Which content left of late, so that what has to be fetched again can be told from what is new."""

from regproxy.model.oci import Digest

MAX_DEPARTED = 16_384


class Departed:
    """Owns the digests of what was evicted last, in memory only; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._digests: dict[Digest, None] = {}

    def add(self, digest: Digest) -> None:
        """This has left."""
        self._digests.pop(digest, None)
        while len(self._digests) >= MAX_DEPARTED:
            del self._digests[next(iter(self._digests))]
        self._digests[digest] = None

    def returned(self, digest: Digest) -> bool:
        """Whether what comes now had left; it counts once."""
        if digest not in self._digests:
            return False
        del self._digests[digest]
        return True
