"""Requests to other CAs: what they ask for, and that the key stays, and stays the same."""

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from regproxy.tls.authority import create, load, load_or_create
from regproxy.tls.directory import read_holdings
from regproxy.tls.requests import request_issuing, request_leaf
from tests.tls.making import DAY, NOW, Made, make

CORPORATE = make("Corporate Root")


def asked(path: Path) -> x509.CertificateSigningRequest:
    request = x509.load_pem_x509_csr(path.read_bytes())
    assert request.is_signature_valid
    return request


def signed(path: Path, by: Made = CORPORATE) -> bytes:
    """What a CA makes of a request that grants all that it is asked for."""
    request = asked(path)
    issuer = x509.CertificateBuilder(issuer_name=by.certificate.subject, subject_name=request.subject)
    builder = issuer.public_key(request.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(by.certificate.not_valid_before_utc)
    builder = builder.not_valid_after(by.certificate.not_valid_after_utc)
    for wanted in request.extensions:
        builder = builder.add_extension(wanted.value, wanted.critical)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_certificate_that_was_asked_for_is_used_once_it_is_signed_and_renewed_with_the_same_key(
    tmp_path: Path,
) -> None:
    create(tmp_path, ["quay.io"], NOW)
    path = request_leaf(tmp_path, ["*.apps.corp.example", "harbor.corp.example"])
    assert path == tmp_path / "leaves" / "_.apps.corp.example.csr"
    key = path.with_suffix(".key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    found = asked(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["*.apps.corp.example", "harbor.corp.example"]
    assert not read_holdings(tmp_path).permits("harbor.corp.example"), "it is not signed yet"

    path.with_suffix(".crt").write_bytes(signed(path) + CORPORATE.pem)
    holdings = read_holdings(tmp_path)
    for name in ("harbor.corp.example", "one.apps.corp.example", "*.apps.corp.example"):
        assert holdings.permits(name), name
    assert b"Corporate" not in holdings.leaf("harbor.corp.example", NOW).pem

    before = key.read_bytes()
    assert request_leaf(tmp_path, ["*.apps.corp.example"]) == path
    assert key.read_bytes() == before


def test_an_issuing_ca_that_was_asked_for_is_limited_and_waits_for_its_signature(tmp_path: Path) -> None:
    path = request_issuing(tmp_path, ["quay.io", "corp.example"])
    extensions = asked(path).extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    permitted = extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    assert permitted is not None
    assert [subtree.value for subtree in permitted] == ["corp.example", "quay.io"]
    for read in (load, lambda directory: load_or_create(directory, ["quay.io"], NOW)):
        with pytest.raises(FileNotFoundError, match=r"waits for its certificate: have ca\.csr signed"):
            read(tmp_path)

    key = (tmp_path / "ca.key").read_bytes()
    (tmp_path / "ca.crt").write_bytes(signed(path) + CORPORATE.pem)
    ca = load(tmp_path)
    assert (ca.permitted, ca.root) == (("corp.example", "quay.io"), CORPORATE.certificate)
    assert ca.issue("harbor.corp.example", NOW).valid(NOW)
    assert (tmp_path / "ca.key").read_bytes() == key
    with pytest.raises(FileExistsError, match=r"ask for its successor in .*/next"):
        request_issuing(tmp_path, ["quay.io"])


def test_a_certificate_for_something_else_has_a_key_of_its_own_and_ends_with_the_ca_at_the_latest(
    tmp_path: Path,
) -> None:
    ca = create(tmp_path, ["corp.example"], NOW)
    pem, key = ca.certify(["a.corp.example", "b.corp.example"], NOW, 90 * DAY)
    (certificate,) = x509.load_pem_x509_certificates(pem)
    certificate.verify_directly_issued_by(ca.root)
    assert certificate.not_valid_after_utc.timestamp() == NOW + 90 * DAY
    assert serialization.load_pem_private_key(key, None).public_key() == certificate.public_key()
    with pytest.raises(ValueError, match=r"does not permit bank\.example"):
        ca.certify(["a.corp.example", "bank.example"], NOW, DAY)
    late, _ = ca.certify(["a.corp.example"], NOW, 9000 * DAY)
    assert x509.load_pem_x509_certificate(late).not_valid_after_utc.timestamp() == ca.not_after
