"""The operator's own certificate: read again while the proxy runs, and what is wrong for the moment changes nothing."""

from pathlib import Path

import pytest

from regproxy.tls.own import REREAD_SECONDS, OwnCertificate
from tests.tls.making import DAY, NOW, Made, make

NAME = "proxy.example"


def written(directory: Path, made: Made, key: Made | None = None) -> OwnCertificate:
    certificate, key_file = directory / "own.pem", directory / "own.key"
    certificate.write_bytes(made.pem)
    key_file.write_bytes((key or made).key_pem())
    key_file.chmod(0o600)
    return OwnCertificate(NAME, certificate, key_file)


def test_it_is_asked_for_again_within_an_hour_and_a_new_one_counts(tmp_path: Path) -> None:
    first, second = make(NAME, ca=False), make(NAME, ca=False, ends=NOW + 60)
    own = written(tmp_path, first)
    leaf = own.leaf(NOW)
    assert (leaf.name, leaf.renew_at) == (NAME, NOW + REREAD_SECONDS)
    assert first.pem in leaf.pem
    written(tmp_path, second)
    renewed = own.leaf(NOW + 1)
    assert second.pem in renewed.pem
    assert renewed.renew_at == renewed.not_after == NOW + 60


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("own.pem", b"", "own.pem"),
        ("own.pem", None, "own.pem"),
        ("own.key", make("other", ca=False).key_pem(), "is not the key of"),
        ("own.key", None, "own.key"),
    ],
)
def test_files_that_are_wrong_for_the_moment_leave_the_last_one_in_use_while_it_is_valid(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    made = make(NAME, ca=False, ends=NOW + DAY)
    own = written(tmp_path, made)
    before = own.leaf(NOW)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    assert own.leaf(NOW + 1) is before
    with pytest.raises(ValueError, match=said):
        own.leaf(NOW + DAY)
    with pytest.raises(ValueError, match=said):
        OwnCertificate(NAME, tmp_path / "own.pem", tmp_path / "own.key").leaf(NOW)
