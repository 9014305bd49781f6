"""Whether clients would accept what a CA certificate vouches for: each doubt a sentence that names the certificate.

Held against what Go, OpenSSL and GnuTLS refuse, Go's crypto/x509 being the strictest and the most common.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from regproxy.model.address import canonical_host

MIN_RSA_BITS = 2048
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_BROKEN_HASHES = (hashes.MD5, hashes.SHA1)


def check_certificate(where: str, certificate: x509.Certificate, below: int) -> None:
    """Raise ValueError for what clients would refuse; `below`: how many CA certificates stand before the leaf."""
    extensions = _extensions(where, certificate)
    _check_basic(where, extensions, below)
    _check_key(where, certificate)
    for extension in extensions:
        match extension.value:
            case x509.KeyUsage(key_cert_sign=False):
                raise ValueError(f"{where} may not sign certificates (keyUsage without keyCertSign)")
            case x509.ExtendedKeyUsage() as usage if not {
                ExtendedKeyUsageOID.SERVER_AUTH,
                ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
            }.intersection(usage):
                raise ValueError(f"{where} may not vouch for servers (extendedKeyUsage without serverAuth)")
            case x509.NameConstraints() as constraints:
                _check_constraints(where, constraints)
            case x509.UnrecognizedExtension(oid=oid) if extension.critical:
                raise ValueError(f"{where} has a critical extension {oid.dotted_string} that clients do not know")
            case _:
                pass
    weak = isinstance(certificate.signature_hash_algorithm, _BROKEN_HASHES)
    if weak and certificate.subject != certificate.issuer:
        # A root's own signature is not looked at: that it is trusted is why.
        raise ValueError(f"{where} is signed with a broken hash; have it issued again with SHA-256")


def check_issued(where: str, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raise ValueError unless `issuer`, which `where` names, issued the certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ValueError(
            f"{where} did not issue the one before it: the issuing CA stands first, then each one's issuer"
        ) from error


def _extensions(where: str, certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise ValueError(f"{where} has extensions that cannot be read: {error}") from error


def _check_basic(where: str, extensions: x509.Extensions, below: int) -> None:
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise ValueError(f"{where} has no basicConstraints, so it is not a CA certificate") from None
    if not basic.ca:
        raise ValueError(f"{where} is not a CA certificate")
    if basic.path_length is not None and basic.path_length < below:
        raise ValueError(f"{where} allows {basic.path_length} CA certificates below it, and {below} are")


def _check_key(where: str, certificate: x509.Certificate) -> None:
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=bits):
            if bits < MIN_RSA_BITS:
                raise ValueError(f"{where} has an RSA key of {bits} bits; clients ask for {MIN_RSA_BITS}")
        case ec.EllipticCurvePublicKey(curve=curve):
            if curve.name not in CURVES:
                raise ValueError(f"{where} has a key on {curve.name}; clients know P-256, P-384 and P-521")
        case ed25519.Ed25519PublicKey():
            pass
        case _:
            raise ValueError(f"{where} has a key that clients cannot verify with; use RSA, P-256, P-384 or Ed25519")


def _check_constraints(where: str, constraints: x509.NameConstraints) -> None:
    """A subtree that is no DNS name makes Go refuse the whole chain, whatever it is for."""
    for subtree in (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())):
        if not isinstance(subtree, x509.DNSName) or not subtree.value:
            continue
        try:
            canonical_host(subtree.value.removeprefix("."))
        except ValueError:
            text = subtree.value[:80]
            raise ValueError(
                f"{where} has the name constraint {text!r}, which is no DNS subtree: write the domain without a star"
            ) from None
