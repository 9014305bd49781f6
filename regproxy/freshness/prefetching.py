"""What is worth fetching behind a manifest that a client was fetched, before anybody asks for it."""

from collections.abc import Iterable, Iterator

from regproxy.model.manifest import Descriptor

MAX_MANIFESTS = 16  # of one index
MAX_LAYERS = 256  # of one image, or of all platforms of one index together
MAX_BYTES = 16 << 30  # of these
# Layers that registries do not give: they lie elsewhere (image-spec: non-distributable layers; Docker's: foreign).
_ELSEWHERE = (".nondistributable.", ".foreign.")


def manifests_worth(listed: Iterable[Descriptor], seen: frozenset[str]) -> tuple[Descriptor, ...]:
    """The manifests of an index for the platforms that were seen before."""
    return tuple(one for one in listed if one.role == "manifest" and one.platform in seen)[:MAX_MANIFESTS]


def layers_worth(listed: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """The configs and layers, each once, in order, within the bounds; nothing whose size is not known."""
    return tuple(_within_bounds({one.digest: one for one in listed if _is_worth(one)}.values()))


def _is_worth(one: Descriptor) -> bool:
    return one.role != "manifest" and one.size > 0 and not any(word in one.media_type for word in _ELSEWHERE)


def _within_bounds(listed: Iterable[Descriptor]) -> Iterator[Descriptor]:
    total = 0
    for count, one in enumerate(listed):
        total += one.size
        if count >= MAX_LAYERS or total > MAX_BYTES:
            return
        yield one
