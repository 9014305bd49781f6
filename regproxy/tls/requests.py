"""Certificate signing requests (PKCS #10, RFC 2986) for CAs that clients trust already; the key stays here."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from regproxy.tls.constraints import extension
from regproxy.tls.files import read_key_file
from regproxy.tls.given import FOLDER
from regproxy.tls.issuer import read_key
from regproxy.tls.leaf import SigningKey, general_names, key_pem, key_usage, signature_hash
from regproxy.tls.placing import CERTIFICATE_FILE, KEY_FILE, KEY_SUFFIX, NEXT, REQUEST_FILE, REQUEST_SUFFIX, write_file

MAX_COMMON_NAME = 64  # RFC 5280, ub-common-name


def request_leaf(directory: Path, names: Sequence[str]) -> Path:
    """Ask for a certificate for these hosts: a key and a request in the `leaves` folder; the path of the request.

    A key that is there already is kept, so that a certificate is renewed as it was made. Raises ValueError and
    PermissionError.
    """
    stem = directory / FOLDER / file_stem(names[0])
    request = (
        _request(names[0])
        .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    path = stem.with_name(stem.name + REQUEST_SUFFIX)
    _write(request, stem.with_name(stem.name + KEY_SUFFIX), path)
    return path


def request_issuing(directory: Path, permits: Iterable[str]) -> Path:
    """Ask for an issuing CA that is limited to these names; the path of the request.

    Raises ValueError for a permit that is no DNS name, FileExistsError where there is a CA already, and
    PermissionError.
    """
    if (directory / CERTIFICATE_FILE).exists():
        raise FileExistsError(f"{directory / CERTIFICATE_FILE} exists; ask for its successor in {directory / NEXT}")
    request = (
        _request("regproxy issuing CA")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(extension(permits), critical=True)
    )
    _write(request, directory / KEY_FILE, directory / REQUEST_FILE)
    return directory / REQUEST_FILE


def file_stem(name: str) -> str:
    """What the files of a host are called; a shell takes no star for a pattern."""
    return name.replace("*", "_")


def _request(common_name: str) -> x509.CertificateSigningRequestBuilder:
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if len(common_name) <= MAX_COMMON_NAME else []
    return x509.CertificateSigningRequestBuilder(x509.Name(subject))


def _write(request: x509.CertificateSigningRequestBuilder, key_path: Path, path: Path) -> None:
    key = _key(key_path)
    signed = request.sign(key, signature_hash(key))
    write_file(path, signed.public_bytes(serialization.Encoding.PEM), 0o644)


def _key(path: Path) -> SigningKey:
    """The key in that file, made where there is none."""
    try:
        return read_key(path, read_key_file(path), None)[0]
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        write_file(path, key_pem(key), 0o600)
        return key
