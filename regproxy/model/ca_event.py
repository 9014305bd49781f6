"""What happened to the CA, as values beside those of `event`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CaReloaded:
    """The files of the CA were read again; `fingerprint` and `not_after` are of the CA that signs from now on.

    `not_after` in seconds since the epoch; `findings` say why the CA stays, or what to know of the new one.
    """

    result: Literal["success", "unchanged", "failure"]
    trigger: str
    fingerprint: str
    not_after: float
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaNoticed:
    """The operator should know something of a certificate's dates: it ends soon, or has ended."""

    sentence: str


@dataclass(frozen=True, slots=True)
class LeafIssued:
    """A certificate was made for a host."""

    name: str


@dataclass(frozen=True, slots=True)
class CertificatesFetched:
    """A client was handed what it has to trust."""

    client: str


# What happens around the CA.
Certified = CaReloaded | CaNoticed | CertificatesFetched | LeafIssued
