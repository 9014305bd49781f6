"""What the operator sees of the cache and says about it: tags, their past, and what overrides them."""

from dataclasses import dataclass

from regproxy.model.address import Authority
from regproxy.model.entry import Binding
from regproxy.model.oci import Digest


@dataclass(frozen=True, slots=True)
class TagKey:
    """A tag of one repository of one authority, whatever form of it a client admits."""

    authority: Authority
    repository: str
    tag: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag in the cache; `last_used`: when its manifest was, None when that is not here; `bytes`: of it that are."""

    key: TagKey
    binding: Binding
    last_used: float | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Past:
    """What a tag meant, from the first to the last time that a registry said so."""

    digest: Digest
    media_type: str
    size: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class Override:
    """What the operator said of a tag.

    `expired_at`: what was validated before then is asked for again before it is served, and may still stand in for a
    registry that fails; `held_until`: until then what is stored is served, whatever the registry says.
    """

    expired_at: float = 0.0
    held_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge took: tags, contents and their bytes on disk; `shared`: contents that others still name."""

    tags: tuple[TagKey, ...] = ()
    contents: int = 0
    bytes: int = 0
    shared: int = 0
