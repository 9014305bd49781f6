"""Rotating a CA: a step at a time, back and forth, and through crashes at every step."""

import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from regproxy.tls.authority import CertificateAuthority, create, load
from regproxy.tls.directory import read_holdings
from regproxy.tls.rotation import Stage, abort, activate, finish, prepare, rotation
from tests.lab.peers import need_root
from tests.tls.making import DAY, NOW, make, place


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


PAIR = ["ca.crt", "ca.key"]


def test_a_rotation_from_the_first_step_to_the_last(tmp_path: Path) -> None:
    first = create(tmp_path, ["quay.io", "corp.example"], NOW)
    assert rotation(tmp_path).stage is Stage.STEADY

    second = prepare(tmp_path, ["ghcr.io"], NOW)
    found = rotation(tmp_path)
    assert (found.stage, found.ca.chain, found.other and found.other.chain) == (
        Stage.PREPARED, first.chain, second.chain,
    )  # fmt: skip
    assert second.permitted == ("corp.example", "ghcr.io", "quay.io"), "it covers what the first one did, and more"
    assert read_holdings(tmp_path).ca.chain == first.chain
    assert read_holdings(tmp_path).bundle(NOW) == first.pem + second.pem

    activate(tmp_path, NOW)
    assert rotation(tmp_path).stage is Stage.ACTIVATED
    assert read_holdings(tmp_path).ca.chain == second.chain
    assert read_holdings(tmp_path).bundle(NOW) == second.pem + first.pem
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "previous" / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "previous").stat().st_mode) == 0o700

    finish(tmp_path)
    assert rotation(tmp_path).stage is Stage.STEADY
    assert names(tmp_path) == PAIR
    assert load(tmp_path).chain == second.chain


def test_every_step_can_be_taken_back(tmp_path: Path) -> None:
    first = create(tmp_path, ["quay.io"], NOW)
    second = prepare(tmp_path, [], NOW)
    activate(tmp_path, NOW)
    assert abort(tmp_path).chain == first.chain
    assert rotation(tmp_path).stage is Stage.PREPARED
    assert read_holdings(tmp_path).bundle(NOW) == first.pem + second.pem
    activate(tmp_path, NOW)
    assert load(tmp_path).chain == second.chain
    assert abort(tmp_path).chain == first.chain
    assert abort(tmp_path).chain == first.chain
    assert names(tmp_path) == PAIR


def test_a_step_out_of_turn_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    create(tmp_path, ["quay.io"], NOW)
    with pytest.raises(ValueError, match=r"there is no CA in .*next to activate"):
        activate(tmp_path, NOW)
    with pytest.raises(ValueError, match="no rotation is under way"):
        abort(tmp_path)
    with pytest.raises(ValueError, match=r"there is no CA in .*previous to part from"):
        finish(tmp_path)
    assert names(tmp_path) == PAIR
    prepare(tmp_path, [], NOW)
    with pytest.raises(ValueError, match="prepared already"):
        prepare(tmp_path, [], NOW)
    activate(tmp_path, NOW)
    with pytest.raises(ValueError, match="activated already"):
        prepare(tmp_path, [], NOW)


def test_a_ca_of_ones_own_is_activated_from_the_folder_unless_it_has_ended(tmp_path: Path) -> None:
    first = create(tmp_path, ["quay.io"], NOW)
    root = make("Corporate Root")
    for days in (-1, 300):
        issuing = make("Corporate Issuing", root, begins=NOW - 9 * DAY, ends=NOW + days * DAY)
        place(tmp_path / "next", issuing.pem + root.pem, issuing.key_pem())
        if days < 0:
            with pytest.raises(ValueError, match="ended on"):
                activate(tmp_path, NOW)
            assert load(tmp_path).chain == first.chain
    assert activate(tmp_path, NOW).chain == (issuing.certificate, root.certificate)


def test_a_former_ca_is_not_overwritten_by_the_next_former_one(tmp_path: Path) -> None:
    create(tmp_path, ["quay.io"], NOW)
    prepare(tmp_path, [], NOW)
    second = activate(tmp_path, NOW)
    third = make("third")
    place(tmp_path / "next", third.pem, third.key_pem())
    with pytest.raises(FileExistsError, match="--finish"):
        activate(tmp_path, NOW)
    assert load(tmp_path).chain == second.chain
    finish(tmp_path)
    assert activate(tmp_path, NOW).subject == "CN=third"


def test_a_mounted_secret_is_not_ours_to_rotate(tmp_path: Path) -> None:
    mounted = make("mounted")
    for name, content in (("tls.crt", mounted.pem), ("tls.key", mounted.key_pem())):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    with pytest.raises(ValueError, match=r"tls\.crt is a mounted secret"):
        prepare(tmp_path, ["quay.io"], NOW)
    assert names(tmp_path) == ["tls.crt", "tls.key"]


def test_what_root_makes_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    need_root("only root can give files away")
    os.chown(tmp_path, 10001, 10001)
    create(tmp_path, ["quay.io"], NOW)
    prepare(tmp_path, [], NOW)
    activate(tmp_path, NOW)
    assert {path.stat().st_uid for path in tmp_path.rglob("*")} == {10001}


MAX_STEPS = 60


def _dying(step: Callable[[], object], steps: int) -> int:
    """Take the step in a process that dies before its change number `steps` of the disk; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [steps]

    def mortal(real: Callable[..., object]) -> Callable[..., object]:
        def change(*arguments: object, **named: object) -> object:
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            return real(*arguments, **named)

        return change

    for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
        setattr(Path, name, mortal(getattr(Path, name)))
    try:
        step()
    finally:
        os._exit(0)


@pytest.mark.parametrize("step", [lambda directory: activate(directory, NOW), abort], ids=["activate", "abort"])
def test_killed_at_any_moment_one_of_the_two_is_in_force_whole_and_the_step_can_be_taken_again(
    tmp_path: Path, step: Callable[[Path], CertificateAuthority]
) -> None:
    for steps in range(MAX_STEPS):
        directory = tmp_path / str(steps)
        before, after = create(directory, ["quay.io"], NOW), prepare(directory, [], NOW)
        if step is abort:
            before, after = activate(directory, NOW), before
        code = _dying(functools.partial(step, directory), steps)
        found = rotation(directory)
        assert found.other is not None
        assert {found.ca.chain, found.other.chain} == {before.chain, after.chain}
        bundle = x509.load_pem_x509_certificates(read_holdings(directory).bundle(NOW))
        assert set(bundle) == {before.root, after.root}, "both stay trusted all the while"
        if code == 0:
            assert found.ca.chain == after.chain
            break
        assert code == 9
        if found.ca.chain == before.chain:
            assert step(directory).chain == after.chain
    else:
        pytest.fail("it never came to its end")
    assert steps >= 6, "there are that many moments between the first change and the last"
