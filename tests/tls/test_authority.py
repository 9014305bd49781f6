"""The CA: what is made, what is used as it is, and what openssl thinks of it."""

import datetime
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from regproxy.model.leaf import NotValidNow
from regproxy.tls.authority import create, load, load_or_create
from regproxy.tls.constraints import extension
from tests.tls.making import DAY, NOW, make, place

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="apt-get install openssl")


def test_a_new_ca_is_constrained_private_and_lives_ten_years(tmp_path: Path) -> None:
    ca = create(tmp_path, ["quay.io", "*.corp.example", "cdn.quay.io"], NOW)
    certificate = x509.load_pem_x509_certificate(ca.pem)
    extensions = {found.oid: found for found in certificate.extensions}
    assert extensions[x509.NameConstraints.oid].critical
    assert extensions[x509.BasicConstraints.oid].value == x509.BasicConstraints(ca=True, path_length=0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    assert ca.path == tmp_path / "ca.crt"
    assert ca.pem == ca.path.read_bytes()
    assert ca.constrained
    assert ca.permitted == ("corp.example", "quay.io")
    assert ca.warnings == ()
    ends = datetime.datetime.fromtimestamp(ca.not_after, datetime.UTC)
    assert ends.year == datetime.datetime.fromtimestamp(NOW, datetime.UTC).year + 10
    assert certificate.not_valid_before_utc.timestamp() == NOW - DAY
    assert ca.fingerprint == certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def test_a_new_ca_permits_what_it_was_made_for_and_nothing_else(tmp_path: Path) -> None:
    ca = create(tmp_path, ["quay.io"], NOW)
    assert ca.permits("quay.io")
    assert ca.permits("cdn01.quay.io")
    assert not ca.permits("bank.example")
    assert not ca.permits("127.0.0.1")
    assert not ca.permits("2001:db8::1")
    with pytest.raises(ValueError, match=r"does not permit bank\.example"):
        ca.issue("bank.example", NOW)
    with pytest.raises(NotValidNow, match="ended on"):
        ca.issue("quay.io", ca.not_after)


def test_an_existing_ca_is_used_and_never_made_again(tmp_path: Path) -> None:
    first = load_or_create(tmp_path, ["quay.io"], NOW)
    again = load_or_create(tmp_path, ["other.example"], NOW + 300 * DAY)
    assert again.fingerprint == first.fingerprint
    assert again.permitted == ("quay.io",)
    with pytest.raises(FileExistsError):
        create(tmp_path, ["quay.io"], NOW)
    ended = load_or_create(tmp_path, ["quay.io"], NOW + 3660 * DAY)
    assert ended.fingerprint == first.fingerprint, "an ended CA is no reason to make another"


def test_two_new_cas_can_be_told_apart(tmp_path: Path) -> None:
    one, two = create(tmp_path / "one", ["quay.io"], NOW), create(tmp_path / "two", ["quay.io"], NOW)
    assert one.subject != two.subject
    assert one.fingerprint != two.fingerprint


def test_an_unconstrained_ca_is_used_with_a_warning_that_says_when_it_ends(tmp_path: Path) -> None:
    own = make("Corporate", ends=NOW + 400 * DAY)
    ca = load_or_create(place(tmp_path, own.pem, own.key_pem()), ["quay.io"], NOW)
    assert ca.permits("bank.example")
    assert ca.permits("10.0.0.1")
    assert (ca.constrained, ca.permitted) == (False, ())
    (warning,) = ca.warnings
    assert "no name constraints" in warning
    assert "2028-02-19" in warning
    assert ca.issue("10.0.0.1", NOW).name == "10.0.0.1"


def test_a_ca_that_ends_soon_is_used_with_a_warning(tmp_path: Path) -> None:
    permits = extension(["quay.io"])
    own = make("Corporate", ends=NOW + 29 * DAY, extensions=(permits,))
    ca = load(place(tmp_path, own.pem, own.key_pem()))
    assert ca.warnings == ()
    assert "ends in 29 days" in (ca.notice(NOW) or "")
    assert ca.notice(NOW - DAY) is None


def test_a_ca_is_of_use_between_its_dates_alone_and_a_clock_that_goes_back_and_forth_changes_nothing(
    tmp_path: Path,
) -> None:
    root = make("root", begins=NOW - 9 * DAY, ends=NOW + 5 * DAY)
    issuing = make("issuing", root, begins=NOW - DAY, ends=NOW + 50 * DAY)
    ca = load(place(tmp_path, issuing.pem + root.pem, issuing.key_pem()))
    for now, lapse in [
        (NOW - 2 * DAY, "begins on 2027-01-14, this clock says 2027-01-13"),
        (NOW, None),
        (NOW + 5 * DAY, "ended on 2027-01-20"),
        (NOW, None),
    ]:
        if lapse is None:
            assert ca.lapse(now) is None
            assert ca.issue("quay.io", now).not_after <= NOW + 5 * DAY, "no leaf outlives the root"
        else:
            with pytest.raises(NotValidNow, match=lapse):
                ca.issue("quay.io", now)
            assert lapse in (ca.notice(now) or "")


def test_every_certificate_of_a_chain_has_its_say(tmp_path: Path) -> None:
    root = make("root", extensions=(extension(["example"]),))
    issuing = make("issuing", root, ends=NOW + 100 * DAY, extensions=(extension(["corp.example", "quay.io"]),))
    ca = load(place(tmp_path, issuing.pem + root.pem, issuing.key_pem()))
    assert ca.permits("harbor.corp.example")
    assert not ca.permits("quay.io"), "the root does not permit it"
    assert not ca.permits("shop.example"), "the issuing CA does not permit it"
    assert ca.permitted == ("corp.example", "quay.io")
    assert ca.not_after == NOW + 100 * DAY
    assert x509.load_pem_x509_certificates(ca.pem) == [root.certificate], "clients trust the root alone"
    assert ca.fingerprint == root.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    assert ca.warnings == ()


def test_a_chain_without_its_root_is_used_with_a_warning_that_names_the_root(tmp_path: Path) -> None:
    root = make("Corporate Root")
    issuing = make("issuing", root, extensions=(extension(["corp.example"]),))
    ca = load(place(tmp_path, issuing.pem, issuing.key_pem()))
    (warning,) = ca.warnings
    assert "no root" in warning
    assert "CN=Corporate Root" in warning


def test_a_leaf_brings_the_chain_but_not_a_root(tmp_path: Path) -> None:
    root = make("root")
    issuing = make("issuing", root)
    ca = load(place(tmp_path, issuing.pem + root.pem, issuing.key_pem()))
    sent = x509.load_pem_x509_certificates(ca.issue("quay.io", NOW).pem)
    assert sent[1:] == [issuing.certificate]
    own = create(tmp_path / "own", ["quay.io"], NOW)
    assert len(x509.load_pem_x509_certificates(own.issue("quay.io", NOW).pem)) == 1


def test_a_key_that_strayed_into_the_certificate_file_is_not_served(tmp_path: Path) -> None:
    own = make("own")
    ca = load(place(tmp_path, own.key_pem() + own.pem, own.key_pem()))
    assert b"PRIVATE" not in ca.pem


@needs_openssl
@pytest.mark.parametrize("traditional", [["-traditional"], []], ids=["openssl 1.1", "openssl 3"])
def test_the_seeds_own_ca_is_used_with_warnings(tmp_path: Path, traditional: list[str]) -> None:
    """The commands of the seed's create_ca_cert.sh, with a smaller key."""
    key, certificate = str(tmp_path / "ca.key"), str(tmp_path / "ca.crt")
    _openssl("genrsa", "-des3", "-passout", "pass:foobar", *traditional, "-out", key, "2048")
    _openssl(
        "req", "-new", "-x509", "-days", "1300", "-sha256", "-key", key, "-passin", "pass:foobar", "-out", certificate,
        "-subj", "/C=NL/ST=Noord Holland/L=Amsterdam/O=ME/OU=IT/CN=DockerMirrorBox CA Root test",
        "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,digitalSignature,cRLSign,keyCertSign",
    )  # fmt: skip
    before = Path(certificate).read_bytes(), Path(key).read_bytes()
    ca = load_or_create(tmp_path, ["quay.io"], time.time())
    assert "DockerMirrorBox" in ca.subject
    assert any("no name constraints" in warning for warning in ca.warnings)
    assert any("published pass phrase" in warning for warning in ca.warnings)
    assert (Path(certificate).read_bytes(), Path(key).read_bytes()) == before


@needs_openssl
@pytest.mark.parametrize(
    ("name", "verdict"),
    [("quay.io", "OK"), ("cdn.quay.io", "OK"), ("bank.example", "permitted subtree"), ("10.0.0.1", "excluded subtree")],
)
def test_openssl_accepts_exactly_what_we_say_is_permitted(tmp_path: Path, name: str, verdict: str) -> None:
    ca = create(tmp_path / "ca", ["quay.io"], time.time())
    # A thief of the key would not ask `permits`; nor does this.
    leaf = ca._mint.sign(name, time.time())
    (tmp_path / "leaf.pem").write_bytes(leaf.pem[leaf.pem.index(b"-----BEGIN CERT") :])
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        str(ca.path),
        str(tmp_path / "leaf.pem"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verdict in ran.stdout + ran.stderr
    assert (ran.returncode == 0) is ca.permits(name)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
