"""All that a CA directory holds, read at one stroke: the CA in force, its successor or predecessor, given leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from regproxy.model.leaf import Leaf, NotValidNow
from regproxy.tls.authority import CertificateAuthority, load, load_or_create
from regproxy.tls.given import FOLDER, Given, read_given
from regproxy.tls.placing import (
    CERTIFICATE_FILE,
    CERTIFICATE_SUFFIX,
    KEY_FILE,
    KEY_SUFFIX,
    NEXT,
    PREVIOUS,
    SECRET_FILES,
)
from regproxy.tls.seal import Seal


@dataclass(frozen=True, slots=True)
class Holdings:
    """What leaves come from, and what clients must trust: the root of the CA in force first.

    `others` are the CAs that a rotation hands out beside it; `warnings` say what of them cannot be read.
    """

    ca: CertificateAuthority
    given: tuple[Given, ...] = ()
    others: tuple[CertificateAuthority, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator should know whatever the time is."""
        return (*self.ca.warnings, *self.problems)

    @property
    def seal(self) -> Seal:
        """The seal of the CA in force; over a rotation it opens those of the others."""
        return self.ca.seal.beside(*(other.seal for other in self.others))

    def permits(self, name: str) -> bool:
        """Whether there is, or can be, a leaf for this canonical host that clients accept."""
        return self.ca.permits(name) or any(given.holds(name) for given in self.given)

    def leaf(self, name: str, now: float) -> Leaf:
        """The leaf that was given for this host, or else one that the CA signs; raises ValueError and NotValidNow."""
        given = [one for one in self.given if one.holds(name)]
        leaf = next((leaf for one in given if (leaf := one.leaf(name, now)) is not None), None)
        if leaf is not None:
            return leaf
        if given and not self.ca.permits(name):
            raise NotValidNow(given[0].lapse(now))
        return self.ca.issue(name, now)

    def bundle(self, now: float) -> bytes:
        """What `/ca.crt` serves: each root once, those of a rotation until they end."""
        roots = [self.ca.pem, *(other.pem for other in self.others if now < other.not_after)]
        return b"".join(dict.fromkeys(roots))

    def same_as(self, other: "Holdings") -> bool:
        """Whether it signs by the same certificates, hands out the same, and was given the same."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[object, ...]:
        chains = tuple(ca.chain for ca in (self.ca, *self.others))
        return chains, tuple(given.pem for given in self.given), self.problems

    def notices(self, now: float) -> tuple[str, ...]:
        """What the operator should know of dates now."""
        said = [one.lapse(now) for one in self.given if one.leaf("", now) is None]
        notice = self.ca.notice(now)
        return (*([notice] if notice is not None else []), *said)


def read_holdings(directory: Path, passphrase_file: Path | None = None) -> Holdings:
    """Read it all; raises what `authority.load` and `read_given` raise.

    What cannot be read of a rotation is a warning: pulls do not depend on it.
    """
    return _around(load(directory, passphrase_file), directory, passphrase_file)


def read_or_create(
    directory: Path, permits: Sequence[str], now: float, passphrase_file: Path | None = None
) -> Holdings:
    """The same; where there is no CA, one is made that permits these names."""
    return _around(load_or_create(directory, permits, now, passphrase_file), directory, passphrase_file)


def _around(ca: CertificateAuthority, directory: Path, passphrase_file: Path | None) -> Holdings:
    others, problems = [], []
    for name in (NEXT, PREVIOUS):
        try:
            other = load(directory / name, passphrase_file)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            problems.append(f"it is not handed out: {error}")
        else:
            # A rotation that was cut short leaves a copy of the one in force.
            others += [other] if other.chain != ca.chain else []
    return Holdings(ca, read_given(directory, passphrase_file), tuple(others), tuple(problems))


def files_of(directory: Path, passphrase_file: Path | None = None) -> Iterator[str]:
    """The files whose content counts, whether they are there or not."""
    for folder in (directory, directory / NEXT, directory / PREVIOUS):
        yield from (str(folder / name) for name in (CERTIFICATE_FILE, KEY_FILE, *SECRET_FILES))
    leaves = directory / FOLDER
    yield from (str(path) for suffix in (CERTIFICATE_SUFFIX, KEY_SUFFIX) for path in leaves.glob(f"*{suffix}"))
    if passphrase_file is not None:
        yield str(passphrase_file)
