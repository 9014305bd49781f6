"""What happened to credentials of the policy, as values beside those of `event`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CredentialRejected:
    """A registry or its token service refused a credential that the policy lends; `detail` says which, and no secret.

    Once in a while as long as it is used and refused.
    """

    registry: str
    authority: str
    account: str
    detail: str


@dataclass(frozen=True, slots=True)
class HelperFailed:
    """A credential helper of the policy did not say a login for a registry; `detail` says why, and nothing of a login.

    What it said before goes on, if it did. Once each time that it is asked.
    """

    registry: str
    authority: str
    command: str
    detail: str


CredentialEvent = CredentialRejected | HelperFailed
