"""Signing leaves for one issuer."""

import datetime
import ipaddress
import secrets
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from regproxy.model.leaf import Leaf

LIFETIME = 72 * 3600.0
BACKDATE = 3600.0
RENEW_AT = 2 / 3

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def utc(seconds: float) -> datetime.datetime:
    """Seconds since the epoch as the whole second that certificates can hold."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)


def signature_hash(key: SigningKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The hash that a signature of this key uses; Ed25519 brings its own."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256 else hashes.SHA256()


def random_serial() -> int:
    """A positive 128-bit serial number that nobody can guess (CA/Browser Forum baseline: at least 64 bits)."""
    return secrets.randbits(128) | 1


def key_pem(key: SigningKey) -> bytes:
    """An unencrypted PKCS #8 key."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem_of(certificates: Iterable[x509.Certificate]) -> bytes:
    """Certificates, one after the other."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


class Mint:
    """Signs leaves for one issuer; they share one EC P-256 key, made here and kept in memory only."""

    def __init__(self, issuer: x509.Certificate, issuer_key: SigningKey, chain: bytes, ends: float) -> None:
        """`chain` is the PEM that follows every leaf; none outlives `ends`, in seconds since the epoch."""
        self._issuer = issuer
        self._issuer_key = issuer_key
        self._chain = chain
        self._ends = ends
        key = ec.generate_private_key(ec.SECP256R1())
        self._key_pem = key_pem(key)
        self._public_key = key.public_key()
        self._authority_key = _authority_key(issuer)

    def sign(self, name: str, now: float) -> Leaf:
        """A leaf for this canonical host, and no other, from an hour ago on, never beyond the end of its chain."""
        not_before = int(now - BACKDATE)
        not_after = min(not_before + LIFETIME, self._ends)
        certificate = self._certificate([name], self._public_key, not_before, not_after)
        return Leaf(
            name, self._key_pem + pem_of([certificate]) + self._chain, not_before, not_after,
            now + (not_after - now) * RENEW_AT,
        )  # fmt: skip

    def certify(self, names: Sequence[str], now: float, lifetime: float) -> tuple[bytes, bytes]:
        """A certificate with its chain for these hosts, and a key of its own, for somebody else to serve with."""
        key = ec.generate_private_key(ec.SECP256R1())
        not_after = min(now + lifetime, self._ends)
        certificate = self._certificate(names, key.public_key(), int(now - BACKDATE), not_after)
        return pem_of([certificate]) + self._chain, key_pem(key)

    def _certificate(
        self, names: Sequence[str], key: ec.EllipticCurvePublicKey, not_before: float, not_after: float
    ) -> x509.Certificate:
        # An empty subject keeps long names (a CN ends at 64) and directory-name constraints out of the way;
        # RFC 5280 §4.2.1.6 then asks for a critical subjectAltName.
        return (
            x509.CertificateBuilder(subject_name=x509.Name([]), issuer_name=self._issuer.subject)
            .public_key(key)
            .serial_number(random_serial())
            .not_valid_before(utc(not_before))
            .not_valid_after(utc(not_after))
            .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(self._authority_key, critical=False)
            .sign(self._issuer_key, signature_hash(self._issuer_key))
        )


def general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Hosts as a certificate lists them, addresses as addresses."""
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The issuer's own identifier where it has one: verifiers match the two by bytes."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier(
            x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest, None, None
        )
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def key_usage(*, digital_signature: bool = False, signs_certificates: bool = False) -> x509.KeyUsage:
    """A keyUsage with only what is named; a CA signs certificates and revocation lists."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
