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
