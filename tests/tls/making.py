"""Certificates of other people's making: corporate chains and the seed's CA."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = 1_800_000_000.0
DAY = 86400.0
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(
        self,
        passphrase: bytes | None = None,
        form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    ) -> bytes:
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, encryption)


def make(
    name: str,
    issuer: Made | None = None,
    *,
    key: PrivateKey | None = None,
    ca: bool | None = True,
    path_length: int | None = None,
    begins: float = NOW - DAY,
    ends: float = NOW + 400 * DAY,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> Made:
    """A certificate, self-signed without an issuer; `ca` None leaves basicConstraints out."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder(
            subject_name=subject, issuer_name=issuer.certificate.subject if issuer is not None else subject
        )
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(begins, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(ends, datetime.UTC))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return Made(builder.sign(issuer.key if issuer is not None else key, hashes.SHA256()), key)


def place(directory: Path, certificates: bytes, key: bytes, mode: int = 0o600) -> Path:
    """Put a CA into a directory as an operator would."""
    directory.mkdir(exist_ok=True)
    (directory / "ca.crt").write_bytes(certificates)
    (directory / "ca.key").write_bytes(key)
    (directory / "ca.key").chmod(mode)
    return directory
