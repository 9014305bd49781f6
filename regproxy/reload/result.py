"""How a reload ended."""

from dataclasses import dataclass

from regproxy.policy.diagnostic import Diagnostic


@dataclass(frozen=True, slots=True)
class Activated:
    """Another policy runs; `diagnostics` are warnings, `changes` sentences about what is decided differently."""

    checksum: str
    diagnostics: tuple[Diagnostic, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The files say what runs already."""

    checksum: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The files hold errors; the policy that ran runs on."""

    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The files could not be read, and `sentence` says why; the policy that ran runs on."""

    sentence: str


Result = Activated | Unchanged | Rejected | Unreadable
