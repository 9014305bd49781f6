"""Whose credential goes upstream with a request: nobody's, one that the policy lends, or the caller's own."""

from dataclasses import dataclass, field
from typing import Literal

from regproxy.model.address import Authority
from regproxy.model.login import FromHelper, Login

# What the labels of callers' own accounts begin with.
OWN_LABEL = "own "
OnReject = Literal["anonymous", "fail"]


@dataclass(frozen=True, slots=True)
class Credential:
    """What the policy lends for one authority.

    `name` says which, in public; `source` where its secret lies, read at `read_at`, seconds since the epoch.
    `on_reject`: whether what is public goes on without it once it is refused. `present_to`: the only host that may see
    it, where it is not for the registry and all its token hosts.
    """

    name: str
    login: Login | FromHelper
    source: str = ""
    read_at: float = field(default=0.0, compare=False)
    on_reject: OnReject = "anonymous"
    present_to: Authority | None = None


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody's: what is read so is public."""

    @property
    def label(self) -> str:
        """As in metrics, and in keys."""
        return "anonymous"


@dataclass(frozen=True, slots=True)
class Lent:
    """A credential of the policy, for those to whom it lends it."""

    credential: Credential

    @property
    def label(self) -> str:
        """The same for every secret that the account ever has."""
        return self.credential.name


@dataclass(frozen=True, slots=True)
class Own:
    """The caller's own login; `identity` tells callers apart and shows nothing of it."""

    identity: str
    login: Login

    @property
    def label(self) -> str:
        """One for each caller: no value for a metric."""
        return f"{OWN_LABEL}{self.identity}"


Account = Anonymous | Lent | Own
ANONYMOUS = Anonymous()
