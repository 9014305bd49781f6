"""Leaves: one name, three days, and what verifiers look at."""

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from regproxy.model.leaf import Leaf
from regproxy.tls.leaf import Mint, SigningKey, signature_hash
from tests.tls.making import DAY, NOW, make

CA = make("CA", extensions=(x509.SubjectKeyIdentifier(b"chosen by the CA"),))
HOUR = 3600.0
ENDS = NOW + 400 * DAY


def _parsed(leaf: Leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificates(leaf.pem)[0]


def test_a_leaf_is_for_exactly_one_name() -> None:
    certificate = _parsed(Mint(CA.certificate, CA.key, b"", ENDS).sign("quay.io", NOW))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert list(names.value) == [x509.DNSName("quay.io")]
    assert certificate.subject == x509.Name([])
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    certificate.verify_directly_issued_by(CA.certificate)


def test_an_address_becomes_an_address_and_no_name() -> None:
    certificate = _parsed(Mint(CA.certificate, CA.key, b"", ENDS).sign("10.1.2.3", NOW))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.IPAddress(ipaddress.ip_address("10.1.2.3"))]


def test_a_leaf_lives_three_days_begins_an_hour_ago_and_is_renewed_after_two_thirds() -> None:
    leaf = Mint(CA.certificate, CA.key, b"", ENDS).sign("quay.io", NOW)
    assert (leaf.not_before, leaf.not_after) == (NOW - HOUR, NOW + 71 * HOUR)
    assert leaf.serves(NOW)
    assert leaf.serves(NOW + 47 * HOUR)
    assert not leaf.serves(NOW + 48 * HOUR)
    assert not leaf.serves(NOW - 2 * HOUR), "a clock that was set back needs another leaf"
    certificate = _parsed(leaf)
    assert certificate.not_valid_before_utc.timestamp() == leaf.not_before
    assert certificate.not_valid_after_utc.timestamp() == leaf.not_after


def test_no_leaf_outlives_its_chain_and_each_is_used_for_a_while() -> None:
    ending = make("ending", ends=NOW + 9 * HOUR)
    leaf = Mint(ending.certificate, ending.key, b"", NOW + 6 * HOUR).sign("quay.io", NOW)
    assert leaf.not_after == NOW + 6 * HOUR
    assert leaf.renew_at == NOW + 4 * HOUR
    late = Mint(ending.certificate, ending.key, b"", NOW + 6 * HOUR).sign("quay.io", NOW + 6 * HOUR - 30)
    assert late.serves(NOW + 6 * HOUR - 15)


def test_leaves_share_one_key_that_is_shown_nowhere_and_have_serials_of_their_own() -> None:
    mint = Mint(CA.certificate, CA.key, b"", ENDS)
    one, two = mint.sign("a.example", NOW), mint.sign("b.example", NOW)
    assert _parsed(one).public_key() == _parsed(two).public_key()
    assert _parsed(one).public_key() != CA.key.public_key()
    assert (
        _parsed(Mint(CA.certificate, CA.key, b"", ENDS).sign("a.example", NOW)).public_key()
        != _parsed(one).public_key()
    )
    serials = {_parsed(mint.sign("a.example", NOW)).serial_number for _ in range(50)}
    assert len(serials) == 50
    assert all(0 < serial < 2**128 for serial in serials)
    assert max(serials).bit_length() > 100
    assert "PRIVATE" not in repr(one)
    assert "a.example" in repr(one)


def test_the_key_identifiers_join_leaf_and_issuer() -> None:
    extensions = _parsed(Mint(CA.certificate, CA.key, b"", ENDS).sign("quay.io", NOW)).extensions
    named = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert named.key_identifier == b"chosen by the CA"
    without = make("without identifier")
    found = _parsed(Mint(without.certificate, without.key, b"", ENDS).sign("quay.io", NOW)).extensions
    own = x509.SubjectKeyIdentifier.from_public_key(without.key.public_key()).digest
    assert found.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own


def test_what_a_server_loads_is_key_leaf_and_chain() -> None:
    pem = Mint(CA.certificate, CA.key, CA.pem, ENDS).sign("quay.io", NOW).pem
    leaf, issuer = x509.load_pem_x509_certificates(pem)
    key = serialization.load_pem_private_key(pem, None)
    assert key.public_key() == leaf.public_key()
    assert issuer == CA.certificate


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "sha256"),
        (ec.generate_private_key(ec.SECP384R1()), "sha384"),
        (rsa.generate_private_key(65537, 2048), "sha256"),
        (ed25519.Ed25519PrivateKey.generate(), None),
    ],
)
def test_the_hash_suits_the_issuers_key(key: SigningKey, name: str | None) -> None:
    chosen = signature_hash(key)
    assert (chosen.name if chosen is not None else None) == name
    assert Mint(make("issuer", ends=NOW + DAY).certificate, key, b"", ENDS).sign("quay.io", NOW).name == "quay.io"
