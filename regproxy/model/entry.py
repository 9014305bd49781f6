"""What the cache keeps: content without lifetime, and small rows that say what a name meant and when."""

import math
from dataclasses import dataclass
from typing import Literal

from regproxy.model.account import ANONYMOUS
from regproxy.model.address import Authority
from regproxy.model.message import Fields
from regproxy.model.oci import Digest, Kind

Durability = Literal["full", "data", "none"]


@dataclass(frozen=True, slots=True)
class Content:
    """Verified bytes on disk; `allocated` counts blocks, `last_used` is wall-clock seconds."""

    digest: Digest
    size: int
    allocated: int
    last_used: float


@dataclass(frozen=True, slots=True)
class BindingKey:
    """A tag of one repository of one authority; `accept` is empty for the registry's native answer."""

    authority: Authority
    repository: str
    tag: str
    accept: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a tag meant when we last asked; the policy grants its lifetime at look-up.

    `account`: the label of the account that was told so; `gone_at`: since when the registry answers 404 to that one.
    """

    digest: Digest
    media_type: str
    size: int
    fields: Fields
    stored_at: float
    validated_at: float
    gone_at: float | None = None
    account: str = ANONYMOUS.label


@dataclass(frozen=True, slots=True)
class LinkKey:
    """One digest under one kind in one repository of one authority."""

    authority: Authority
    repository: str
    kind: Kind
    digest: Digest


@dataclass(frozen=True, slots=True)
class Link:
    """The registry gave these bytes under this name; `proof` is `get` (bytes verified) or `head`."""

    media_type: str
    size: int
    fields: Fields
    checked_at: float
    proof: str


@dataclass(frozen=True, slots=True)
class GenericKey:
    """An answer that is not content-addressed: tag lists, referrers, catalogs, and what an origin lets be stored.

    `variant` says which requests it answers where the origin decides (`freshness.selecting`), else it is empty.
    """

    authority: Authority
    target: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Generic:
    """A stored answer of that sort; its body is content like any other."""

    digest: Digest
    size: int
    fields: Fields
    stored_at: float
    validated_at: float


@dataclass(frozen=True, slots=True)
class Challenge:
    """How an authority asks for credentials; scheme `none` means that it does not."""

    scheme: str
    realm: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """The `cache { }` block: bytes, seconds (inf: never), and free space to leave, as bytes or share of the disk.

    Blobs of more than `max_object` bytes are not stored (inf: all are).
    """

    size: int = 32 * 1024**3
    inactive: float = 60 * 86400.0
    min_free: int = 0
    min_free_share: float = 0.10
    max_object: float = math.inf
    evict: Literal["lru", "s3fifo"] = "s3fifo"
    durability: Durability = "data"


def content_path(digest: Digest) -> str:
    """Where content lies below the cache directory; only a parsed digest becomes a path."""
    return f"blobs/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}"
