"""Certificates that others signed for single hosts."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from regproxy.tls.given import MAX_GIVEN, read_given
from tests.tls.making import DAY, NOW, Made, make

CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
ROOT = make("Corporate Root", ends=NOW + 900 * DAY)
ISSUING = make("Corporate Issuing", ROOT, ends=NOW + 600 * DAY)


def names(*found: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in found])


def signed(*found: str, ends: float = NOW + 90 * DAY) -> Made:
    return make("leaf", ISSUING, ca=False, ends=ends, extensions=(names(*found),))


def put(directory: Path, name: str, certificates: bytes, key: bytes, mode: int = 0o600) -> None:
    """Lay a pair into the folder as an operator would."""
    folder = directory / "leaves"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.crt").write_bytes(certificates)
    (folder / f"{name}.key").write_bytes(key)
    (folder / f"{name}.key").chmod(mode)


def test_a_pair_is_read_with_its_chain_but_without_the_root(tmp_path: Path) -> None:
    made = signed("harbor.corp.example", "*.apps.corp.example")
    put(tmp_path, "harbor", made.pem + ISSUING.pem + ROOT.pem, made.key_pem())
    (given,) = read_given(tmp_path)
    assert x509.load_pem_x509_certificates(given.pem) == [made.certificate, ISSUING.certificate]
    assert given.pem.startswith(b"-----BEGIN PRIVATE KEY")
    assert "PRIVATE" not in repr(given)
    for name, holds in [
        ("harbor.corp.example", True),
        ("one.apps.corp.example", True),
        ("apps.corp.example", False),
        ("one.two.apps.corp.example", False),
        ("bank.example", False),
    ]:
        assert given.holds(name) is holds, name


def test_it_is_a_leaf_between_its_dates(tmp_path: Path) -> None:
    made = signed("harbor.corp.example")
    put(tmp_path, "harbor", made.pem, made.key_pem())
    (given,) = read_given(tmp_path)
    leaf = given.leaf("harbor.corp.example", NOW)
    assert leaf is not None
    assert (leaf.not_after, leaf.renew_at) == (NOW + 90 * DAY, NOW + 90 * DAY)
    assert given.leaf("harbor.corp.example", NOW + 90 * DAY) is None
    assert given.lapse(NOW + 90 * DAY).endswith("harbor.crt ended on 2027-04-15")
    assert "begins on 2027-01-14" in given.lapse(NOW - 2 * DAY)


def test_of_two_for_one_host_the_one_that_ends_last_comes_first(tmp_path: Path) -> None:
    for name, ends in (("old", NOW + DAY), ("young", NOW + 90 * DAY)):
        made = signed("harbor.corp.example", ends=ends)
        put(tmp_path, name, made.pem, made.key_pem())
    assert [given.path.stem for given in read_given(tmp_path)] == ["young", "old"]


def test_a_key_that_waits_for_its_certificate_is_passed_over(tmp_path: Path) -> None:
    assert read_given(tmp_path) == ()
    (tmp_path / "leaves").mkdir()
    (tmp_path / "leaves" / "harbor.key").write_bytes(b"anything")
    assert read_given(tmp_path) == ()


LEAF = signed("harbor.corp.example")
OTHER = make("other")
MUTE = make("mute", ISSUING, ca=False, extensions=(names("a.example"), CLIENT_ONLY))
UNUSABLE = {
    "another's key": (LEAF.pem, OTHER.key_pem(), r"harbor\.key is not the key of the first certificate"),
    "no certificate": (b"what?", LEAF.key_pem(), "holds no certificate"),
    "no key": (LEAF.pem, b"what?", "holds no private key"),
    "no name": ((bare := make("bare", ISSUING, ca=False)).pem, bare.key_pem(), "names no host"),
    "a CA": (ISSUING.pem, ISSUING.key_pem(), r"is a CA certificate: it belongs into .* as ca\.crt"),
    "for clients": (MUTE.pem, MUTE.key_pem(), "not for servers"),
    "a chain out of order": (LEAF.pem + ROOT.pem, LEAF.key_pem(), "did not issue the one before it"),
}


@pytest.mark.parametrize(("certificates", "key", "sentence"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_no_client_would_accept_is_refused_by_file(
    tmp_path: Path, certificates: bytes, key: bytes, sentence: str
) -> None:
    put(tmp_path, "harbor", certificates, key)
    with pytest.raises(ValueError, match=sentence):
        read_given(tmp_path)


def test_a_missing_or_open_key_and_too_many_files_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "harbor", LEAF.pem, LEAF.key_pem(), 0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        read_given(tmp_path)
    (tmp_path / "leaves" / "harbor.key").unlink()
    with pytest.raises(ValueError, match=r"harbor\.crt is there but .*harbor\.key is not"):
        read_given(tmp_path)
    for number in range(MAX_GIVEN):
        (tmp_path / "leaves" / f"{number}.crt").write_bytes(b"")
    with pytest.raises(ValueError, match="more than 256"):
        read_given(tmp_path)
