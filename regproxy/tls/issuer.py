"""Reading a CA from bytes: certificates that form a chain, a key that fits, and a sentence for all that does not."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from regproxy.tls.files import Pair, read_passphrase
from regproxy.tls.fitness import check_certificate, check_issued
from regproxy.tls.leaf import SigningKey

# The seed encrypted its key with this constant; directories that it made hold such keys.
SEED_PASSPHRASE = b"foobar"
_START_OVER = "to have clients trust a new CA, move ca.crt and ca.key away and run: regproxy ca init"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key and the chain of its certificates, the issuing one first; `seed_passphrase`: the seed's opened the key."""

    key: SigningKey
    chain: tuple[x509.Certificate, ...]
    seed_passphrase: bool = False


def read_issuer(pair: Pair, passphrase_file: Path | None = None) -> Issuer:
    """The CA in a pair of files, checked as clients will check it but for dates, which pass; raises ValueError."""
    chain = _chain(pair.path, pair.certificates)
    key, seed = read_key(pair.key_path, pair.key, passphrase_file)
    if key.public_key() != chain[0].public_key():
        raise ValueError(
            f"{pair.key_path} is not the key of the first certificate in {pair.path}: put the matching file back, "
            f"or, {_START_OVER}"
        )
    return Issuer(key, chain, seed)


def _chain(path: Path, pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        # A root that is named twice, at the end of the chain and beside it, is one.
        chain = tuple(dict.fromkeys(x509.load_pem_x509_certificates(pem)))
    except ValueError as error:
        raise ValueError(f"{path} holds no certificate in PEM form: {error}") from error
    for index, certificate in enumerate(chain):
        where = f"{path}: certificate {index + 1} ({certificate.subject.rfc4514_string()})"
        check_certificate(where, certificate, index)
        if index:
            check_issued(where, chain[index - 1], certificate)
    return chain


def read_key(path: Path, pem: bytes, passphrase_file: Path | None) -> tuple[SigningKey, bool]:
    """The key, and whether the seed's pass phrase was the one that opened it; raises ValueError."""
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
        if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
            return key, seed
        raise ValueError(f"{path}: such a key is RSA, elliptic curve or Ed25519")
    if b"ENCRYPTED" in pem:
        raise ValueError(
            f"{path} is encrypted and no pass phrase opens it: name a file that holds it in REGPROXY_CA_PASSPHRASE_FILE"
        ) from failure
    raise ValueError(f"{path} holds no private key in PEM form: {failure}") from failure
