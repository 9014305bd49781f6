"""A stand-in for the public web PKI: one root that upstreams' certificates come from."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A server certificate with its chain, and its key, as PEM files."""

    certificate: Path
    key: Path


class Pki:
    """The upstream root and the leaves made from it; `root` is the PEM file that a proxy has to trust."""

    def __init__(self, directory: Path, name: str = "Test Upstream Root") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._root = _self_signed(self._name, self._key)
        self.root = directory / "root.pem"
        self.root.write_bytes(_pem(self._root))

    def leaf(self, *names: str) -> Leaf:
        """A certificate for these DNS names, valid from yesterday for thirty days."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = names[0].replace("*", "_")
        leaf = Leaf(self._directory / f"{stem}.pem", self._directory / f"{stem}.key")
        leaf.certificate.write_bytes(_pem(certificate) + _pem(self._root))
        leaf.key.write_bytes(key_pem(key))
        return leaf


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that a token service signs with, and its self-signed certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    bundle: Path

    @property
    def der(self) -> bytes:
        """The certificate for a token's x5c header."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


def signer(directory: Path) -> Signer:
    """A new token signer; `bundle` is the PEM file that the registry's rootcertbundle names."""
    directory.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = _self_signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Token Signer")]), key)
    bundle = directory / "token-signer.pem"
    bundle.write_bytes(_pem(certificate))
    return Signer(key, certificate, bundle)


def key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """A private key as unencrypted PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _self_signed(name: x509.Name, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 365 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
