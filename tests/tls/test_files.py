"""The two files of a CA on disk."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from regproxy.tls.files import read_pair
from regproxy.tls.placing import write_pair
from tests.lab.peers import need_root


def test_a_new_pair_is_private_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_pair(tmp_path / "deep" / "ca", b"the key", b"the certificate")
    finally:
        os.umask(old)
    directory = tmp_path / "deep" / "ca"
    assert sorted(path.name for path in directory.iterdir()) == ["ca.crt", "ca.key"]
    assert stat.S_IMODE((directory / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    pair = read_pair(directory)
    assert (pair.key, pair.certificates) == (b"the key", b"the certificate")
    assert "the key" not in repr(pair)


@pytest.mark.parametrize("name", ["ca.crt", "ca.key"])
def test_nothing_that_exists_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"theirs")
    with pytest.raises(FileExistsError, match=name):
        write_pair(tmp_path, b"ours", b"ours")
    assert (tmp_path / name).read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == [name]


_CRASHING = """
import os, pathlib, sys
from regproxy.tls.placing import write_pair
rename = pathlib.Path.rename
left = [int(sys.argv[2])]
def dying(self, target):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    return rename(self, target)
pathlib.Path.rename = dying
write_pair(pathlib.Path(sys.argv[1]), b"key", b"certificate")
"""


def _crash(directory: Path, renames: int) -> None:
    command = [sys.executable, "-c", _CRASHING, str(directory), str(renames)]
    assert subprocess.run(command, check=False).returncode == 9


def test_a_crash_before_the_first_rename_leaves_no_ca_and_the_next_start_makes_one(tmp_path: Path) -> None:
    _crash(tmp_path, 0)
    with pytest.raises(FileNotFoundError, match="ca init"):
        read_pair(tmp_path)
    write_pair(tmp_path, b"second key", b"second certificate")
    assert read_pair(tmp_path).key == b"second key"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "ca.key"]


def test_a_crash_between_the_renames_is_completed_with_the_same_pair(tmp_path: Path) -> None:
    _crash(tmp_path, 1)
    assert not (tmp_path / "ca.crt").exists()
    pair = read_pair(tmp_path)
    assert (pair.key, pair.certificates) == (b"key", b"certificate")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "ca.key"]


def test_a_key_put_there_by_hand_is_not_completed_with_a_left_over_certificate(tmp_path: Path) -> None:
    _crash(tmp_path, 0)
    (tmp_path / "ca.key").write_bytes(b"theirs")
    (tmp_path / "ca.key").chmod(0o600)
    with pytest.raises(ValueError, match=r"ca\.crt is not"):
        read_pair(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666])
def test_a_key_that_others_may_read_is_refused_with_the_command_to_run(tmp_path: Path, mode: int) -> None:
    write_pair(tmp_path, b"key", b"certificate")
    (tmp_path / "ca.key").chmod(mode)
    with pytest.raises(PermissionError, match=f"chmod 600 {tmp_path / 'ca.key'}"):
        read_pair(tmp_path)


def test_a_key_behind_a_link_or_a_pipe_or_a_folder_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, b"key", b"certificate")
    elsewhere = tmp_path.with_name("elsewhere")
    (tmp_path / "ca.key").rename(elsewhere)
    (tmp_path / "ca.key").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="symbolic link to elsewhere"):
        read_pair(tmp_path)
    (tmp_path / "ca.key").unlink()
    os.mkfifo(tmp_path / "ca.key", 0o600)
    with pytest.raises(ValueError, match="regular file"):
        read_pair(tmp_path)
    (tmp_path / "ca.key").unlink()
    (tmp_path / "ca.key").mkdir(0o700)
    with pytest.raises(ValueError, match="regular file"):
        read_pair(tmp_path)


def test_a_secret_as_kubernetes_mounts_it_is_read_through_its_links(tmp_path: Path) -> None:
    (tmp_path / "..2027_01_15").mkdir()
    write_pair(tmp_path / "..2027_01_15", b"key", b"certificate")
    (tmp_path / "..data").symlink_to("..2027_01_15")
    for name in ("ca.crt", "ca.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert read_pair(tmp_path).key == b"key"


@pytest.mark.parametrize(("mode", "accepted"), [(0o440, True), (0o640, True), (0o660, False), (0o444, False)])
def test_root_may_lend_the_key_to_our_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, accepted: bool
) -> None:
    """PostgreSQL's rule, and how Kubernetes mounts a secret for an unprivileged process."""
    need_root("only root owns what root lends")
    write_pair(tmp_path, b"key", b"certificate")
    (tmp_path / "ca.key").chmod(mode)
    monkeypatch.setattr("os.geteuid", lambda: 10001)
    if accepted:
        assert read_pair(tmp_path).key == b"key"
    else:
        with pytest.raises(PermissionError, match="open to others"):
            read_pair(tmp_path)


@pytest.mark.parametrize(("gone", "there"), [("ca.key", "ca.crt"), ("ca.crt", "ca.key")])
def test_half_a_pair_is_refused_and_left_alone(tmp_path: Path, gone: str, there: str) -> None:
    write_pair(tmp_path, b"key", b"certificate")
    (tmp_path / gone).unlink()
    with pytest.raises(ValueError, match=f"{there} is there but .*{gone} is not"):
        read_pair(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_a_directory_that_cannot_be_written_is_named_with_the_flag_that_helps(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PermissionError, match="--ca-dir"):
        write_pair(tmp_path / "file" / "ca", b"key", b"certificate")
