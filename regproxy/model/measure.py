"""How things are now, as values: parts tell it when they are asked for it, at a scrape for one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreMeasured:
    """How full the store is, in bytes and in pieces of content; `limit` is the policy's."""

    content: int
    reserved: int
    objects: int
    limit: int


@dataclass(frozen=True, slots=True)
class CaMeasured:
    """When the CA that signs ends, in seconds since the epoch."""

    not_after: float


Measured = StoreMeasured | CaMeasured
