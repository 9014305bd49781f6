"""Reading a CA from bytes: certificates that form a chain, a key that fits, and a sentence for all that does not."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from regproxy.tls.files import Pair, read_passphrase
from regproxy.tls.leaf import SigningKey, utc

# The seed encrypted its key with this constant; directories that it made hold such keys.
SEED_PASSPHRASE = b"foobar"
_START_OVER = "to have clients trust a new CA, move ca.crt and ca.key away and start again"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key and the chain of its certificates, the issuing one first; `seed_passphrase`: the seed's opened the key."""

    key: SigningKey
    chain: tuple[x509.Certificate, ...]
    seed_passphrase: bool = False


def read_issuer(pair: Pair, now: float, passphrase_file: Path | None = None) -> Issuer:
    """The CA in a pair of files, checked as clients will check it; raises ValueError."""
    chain = _chain(pair.path, pair.certificates, now)
    key, seed = _key(pair.key_path, pair.key, passphrase_file)
    if key.public_key() != chain[0].public_key():
        raise ValueError(
            f"{pair.key_path} is not the key of the first certificate in {pair.path}: put the matching file back, "
            f"or, {_START_OVER}"
        )
    return Issuer(key, chain, seed)


def _chain(path: Path, pem: bytes, now: float) -> tuple[x509.Certificate, ...]:
    try:
        chain = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise ValueError(f"{path} holds no certificate in PEM form: {error}") from error
    for index, certificate in enumerate(chain):
        where = f"{path}: certificate {index + 1} ({certificate.subject.rfc4514_string()})"
        _check_may_sign(where, certificate, index)
        ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
        if ends.timestamp() <= now:
            raise ValueError(f"{where} ended on {ends:%Y-%m-%d}; renew it with the same key, or, {_START_OVER}")
        if begins.timestamp() > now:
            raise ValueError(f"{where} begins on {begins:%Y-%m-%d}, and this clock says {utc(now):%Y-%m-%d}")
        if index:
            _check_issued(where, chain[index - 1], certificate)
    return chain


def _check_may_sign(where: str, certificate: x509.Certificate, below: int) -> None:
    """`below` is how many CA certificates stand between this one and the leaf."""
    extensions = certificate.extensions
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise ValueError(f"{where} has no basicConstraints, so it is not a CA certificate") from None
    if not basic.ca:
        raise ValueError(f"{where} is not a CA certificate")
    if basic.path_length is not None and basic.path_length < below:
        raise ValueError(f"{where} allows {basic.path_length} CA certificates below it, and {below} are")
    for extension in extensions:
        match extension.value:
            case x509.KeyUsage(key_cert_sign=False):
                raise ValueError(f"{where} may not sign certificates (keyUsage without keyCertSign)")
            case x509.ExtendedKeyUsage() as usage if not {
                ExtendedKeyUsageOID.SERVER_AUTH,
                ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
            }.intersection(usage):
                raise ValueError(f"{where} may not vouch for servers (extendedKeyUsage without serverAuth)")
            case _:
                pass


def _check_issued(where: str, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ValueError(
            f"{where} did not issue the one before it: the issuing CA stands first, then each one's issuer"
        ) from error


def _key(path: Path, pem: bytes, passphrase_file: Path | None) -> tuple[SigningKey, bool]:
    """The key, and whether the seed's pass phrase was the one that opened it."""
    candidates: list[tuple[bytes | None, bool]] = [(None, False)]
    if b"ENCRYPTED" in pem:
        candidates = [(read_passphrase(passphrase_file), False)] if passphrase_file is not None else []
        candidates.append((SEED_PASSPHRASE, True))
    failure: Exception = ValueError()
    for passphrase, seed in candidates:
        try:
            key = serialization.load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            failure = error
            continue
        if isinstance(
            key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
        ):
            return key, seed
        raise ValueError(f"{path}: a CA key is RSA, elliptic curve or Edwards curve")
    if b"ENCRYPTED" in pem:
        raise ValueError(
            f"{path} is encrypted and no pass phrase opens it: name a file that holds it in REGPROXY_CA_PASSPHRASE_FILE"
        ) from failure
    raise ValueError(f"{path} holds no private key in PEM form: {failure}") from failure
