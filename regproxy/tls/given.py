"""Certificates that others signed for some of the policy's hosts: pairs of files in the `leaves` folder."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from regproxy.model.leaf import Leaf
from regproxy.tls.files import Pair, read_certificates, read_key_file
from regproxy.tls.fitness import check_issued
from regproxy.tls.issuer import read_key
from regproxy.tls.leaf import key_pem, pem_of, utc
from regproxy.tls.placing import CERTIFICATE_SUFFIX, KEY_SUFFIX

FOLDER = "leaves"
MAX_GIVEN = 256
_FOR_SERVERS = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True)
class Given:
    """One such certificate: its file, the names in it (`*.x` is one label), and what a server loads.

    The dates, in seconds since the epoch, are those of the whole chain.
    """

    path: Path
    names: tuple[str, ...]
    pem: bytes = field(repr=False)
    not_before: float
    not_after: float

    def holds(self, name: str) -> bool:
        """Whether it is for this canonical host."""
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names

    def leaf(self, name: str, now: float) -> Leaf | None:
        """It as the leaf of this host; None while it is not valid."""
        if not self.not_before <= now < self.not_after:
            return None
        return Leaf(name, self.pem, self.not_before, self.not_after, self.not_after)

    def lapse(self, now: float) -> str:
        """Why it is of no use now."""
        word, when = ("begins", self.not_before) if now < self.not_before else ("ended", self.not_after)
        return f"the certificate {self.path} {word} on {utc(when):%Y-%m-%d}"


def read_given(directory: Path, passphrase_file: Path | None = None) -> tuple[Given, ...]:
    """All of a CA directory, those that end last first.

    A key without certificate still waits for its signature and is passed over. Raises ValueError and PermissionError
    for everything else that cannot be used.
    """
    found = [_read(pair, passphrase_file) for pair in _pairs(directory / FOLDER)]
    return tuple(sorted(found, key=lambda given: -given.not_after))


def _pairs(folder: Path) -> Iterator[Pair]:
    paths = sorted(folder.glob(f"*{CERTIFICATE_SUFFIX}")) if folder.is_dir() else []
    if len(paths) > MAX_GIVEN:
        raise ValueError(f"{folder} holds more than {MAX_GIVEN} certificates")
    for path in paths:
        key_path = path.with_suffix(KEY_SUFFIX)
        try:
            yield Pair(path, read_certificates(path), key_path, read_key_file(key_path))
        except FileNotFoundError as error:
            raise ValueError(f"{path} is there but {key_path} is not: put the key there, or take it away") from error


def _read(pair: Pair, passphrase_file: Path | None) -> Given:
    try:
        chain = x509.load_pem_x509_certificates(pair.certificates)
    except ValueError as error:
        raise ValueError(f"{pair.path} holds no certificate in PEM form: {error}") from error
    key, _ = read_key(pair.key_path, pair.key, passphrase_file)
    if key.public_key() != chain[0].public_key():
        raise ValueError(f"{pair.key_path} is not the key of the first certificate in {pair.path}")
    for index, (certificate, issuer) in enumerate(pairwise(chain), 2):
        check_issued(f"{pair.path}: certificate {index}", certificate, issuer)
    above = [certificate for certificate in chain[1:] if certificate.subject != certificate.issuer]
    return Given(
        pair.path,
        _names(pair.path, chain[0]),
        key_pem(key) + pem_of([chain[0], *above]),
        max(certificate.not_valid_before_utc.timestamp() for certificate in chain),
        min(certificate.not_valid_after_utc.timestamp() for certificate in chain),
    )


def _names(path: Path, certificate: x509.Certificate) -> tuple[str, ...]:
    names: list[str] = []
    for extension in certificate.extensions:
        match extension.value:
            case x509.SubjectAlternativeName() as found:
                names += (name.lower() for name in found.get_values_for_type(x509.DNSName))
                names += (str(address) for address in found.get_values_for_type(x509.IPAddress))
            case x509.BasicConstraints(ca=True):
                raise ValueError(f"{path} is a CA certificate: it belongs into {path.parent.parent} as ca.crt")
            case x509.ExtendedKeyUsage() as usage if not _FOR_SERVERS.intersection(usage):
                raise ValueError(f"{path} is not for servers (extendedKeyUsage without serverAuth)")
            case _:
                pass
    if not names:
        raise ValueError(f"{path} names no host (subjectAltName), so no client would accept it")
    return tuple(names)
