"""A CA directory as a whole: where leaves come from, and what clients are told to trust."""

from pathlib import Path

import pytest
from cryptography import x509

from regproxy.model.leaf import NotValidNow
from regproxy.tls.authority import create
from regproxy.tls.directory import files_of, read_holdings, read_or_create
from tests.tls.making import DAY, NOW, make, place
from tests.tls.test_given import ISSUING, put, signed


def roots(bundle: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle)


def test_a_given_leaf_goes_before_the_ca_and_covers_what_the_ca_does_not(tmp_path: Path) -> None:
    create(tmp_path, ["quay.io"], NOW)
    made = signed("harbor.corp.example", "quay.io")
    put(tmp_path, "harbor", made.pem + ISSUING.pem, made.key_pem())
    holdings = read_holdings(tmp_path)
    assert holdings.permits("harbor.corp.example")
    assert holdings.permits("cdn.quay.io")
    assert not holdings.permits("bank.example")
    for name in ("harbor.corp.example", "quay.io"):
        assert roots(holdings.leaf(name, NOW).pem)[0] == made.certificate
    assert roots(holdings.leaf("cdn.quay.io", NOW).pem)[0] != made.certificate
    with pytest.raises(ValueError, match="does not permit bank"):
        holdings.leaf("bank.example", NOW)


def test_when_a_given_leaf_ends_the_ca_takes_over_where_it_may_and_else_the_reason_is_told(tmp_path: Path) -> None:
    create(tmp_path, ["quay.io"], NOW)
    made = signed("harbor.corp.example", "quay.io")
    put(tmp_path, "harbor", made.pem, made.key_pem())
    holdings, later = read_holdings(tmp_path), NOW + 91 * DAY
    assert holdings.leaf("quay.io", later).not_after > later
    with pytest.raises(NotValidNow, match=r"harbor\.crt ended on 2027-04-15"):
        holdings.leaf("harbor.corp.example", later)
    assert holdings.notices(NOW) == ()
    (notice,) = holdings.notices(later)
    assert "harbor.crt ended on" in notice


def test_beside_the_root_in_force_those_of_a_rotation_are_handed_out_until_they_end(tmp_path: Path) -> None:
    ca = create(tmp_path, ["quay.io"], NOW)
    following = create(tmp_path / "next", ["quay.io"], NOW)
    former = make("former", ends=NOW + DAY)
    place(tmp_path / "previous", former.pem, former.key_pem())
    holdings = read_holdings(tmp_path)
    assert roots(holdings.bundle(NOW)) == [ca.root, following.root, former.certificate]
    assert roots(holdings.bundle(NOW + DAY)) == [ca.root, following.root]
    assert holdings.ca.fingerprint == ca.fingerprint


def test_two_issuing_cas_of_one_root_hand_it_out_once(tmp_path: Path) -> None:
    root = make("root")
    for directory in (tmp_path, tmp_path / "next"):
        issuing = make(f"issuing {directory.name}", root)
        place(directory, issuing.pem + root.pem, issuing.key_pem())
    assert roots(read_holdings(tmp_path).bundle(NOW)) == [root.certificate]


def test_what_cannot_be_read_of_a_rotation_is_a_warning(tmp_path: Path) -> None:
    create(tmp_path, ["quay.io"], NOW)
    place(tmp_path / "next", b"what?", b"what?")
    holdings = read_holdings(tmp_path)
    (warning,) = holdings.warnings
    assert "not handed out" in warning
    assert "next/ca.crt" in warning
    assert len(roots(holdings.bundle(NOW))) == 1


def test_holdings_are_the_same_until_a_file_says_something_else(tmp_path: Path) -> None:
    first = read_or_create(tmp_path, ["quay.io"], NOW)
    assert read_holdings(tmp_path).same_as(first)
    made = signed("harbor.corp.example")
    put(tmp_path, "harbor", made.pem, made.key_pem())
    second = read_holdings(tmp_path)
    assert not second.same_as(first)
    assert {f"{tmp_path}/ca.key", f"{tmp_path}/leaves/harbor.crt", f"{tmp_path}/next/ca.crt"} <= set(files_of(tmp_path))
    create(tmp_path / "next", ["quay.io"], NOW)
    assert not read_holdings(tmp_path).same_as(second)


@pytest.mark.parametrize("root_in_chain", [False, True])
def test_a_secret_of_cert_manager_is_a_ca_directory_as_it_is_mounted(tmp_path: Path, root_in_chain: bool) -> None:
    root = make("Corporate Root", path_length=1)
    issuing = make("issuing", root, path_length=0)
    (tmp_path / "..data").mkdir()
    contents = {
        "tls.crt": issuing.pem + (root.pem if root_in_chain else b""),
        "tls.key": issuing.key_pem(),
        "ca.crt": root.pem,
    }
    for name, content in contents.items():
        (tmp_path / "..data" / name).write_bytes(content)
        (tmp_path / "..data" / name).chmod(0o400)
        (tmp_path / name).symlink_to(f"..data/{name}")
    holdings = read_or_create(tmp_path, ["quay.io"], NOW)
    assert holdings.ca.chain == (issuing.certificate, root.certificate)
    assert holdings.bundle(NOW) == root.pem
    assert holdings.warnings == (holdings.ca.warnings[0],), "that it has no limits, and nothing else"
    assert holdings.leaf("quay.io", NOW).valid(NOW)
    assert str(tmp_path / "tls.key") in files_of(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["..data", "ca.crt", "tls.crt", "tls.key"]


def test_a_secret_without_its_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tls.key").write_bytes(make("issuing").key_pem())
    (tmp_path / "tls.key").chmod(0o600)
    with pytest.raises(ValueError, match=r"tls\.key is there but .*tls\.crt is not"):
        read_or_create(tmp_path, ["quay.io"], NOW)
