"""Putting CAs into place: whole or not at all, and what a crash cut short is made good by whoever comes next."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

CERTIFICATE_FILE, KEY_FILE, REQUEST_FILE = "ca.crt", "ca.key", "ca.csr"
CERTIFICATE_SUFFIX, KEY_SUFFIX, REQUEST_SUFFIX = ".crt", ".key", ".csr"
# A Kubernetes secret of type kubernetes.io/tls, as cert-manager fills it, has these; its ca.crt is then the root.
SECRET_FILES = ("tls.crt", "tls.key")
# The CAs of a rotation lie in folders of these names, as in directories of their own.
NEXT, PREVIOUS = "next", "previous"
# There while a CA moves into force; it says from which folder.
_MOVE_FILE = "moving"
_NEW = ".new"


def write_pair(directory: Path, key: bytes, certificate: bytes) -> None:
    """Put a new CA in place: both files are on disk before the first gets its name, the key first.

    After a crash there is nothing (start again), or the key and the certificate under its temporary name, which
    `complete` puts right. Raises FileExistsError rather than overwrite, and PermissionError.
    """
    with _changing(directory):
        _finish_creation(directory)
        for name in (KEY_FILE, CERTIFICATE_FILE):
            if os.path.lexists(directory / name):
                raise FileExistsError(f"{directory / name} exists; a CA is never replaced silently")
        _write_new(directory / (KEY_FILE + _NEW), key, 0o600)
        _write_new(directory / (CERTIFICATE_FILE + _NEW), certificate, 0o644)
        (directory / (KEY_FILE + _NEW)).rename(directory / KEY_FILE)
        (directory / (CERTIFICATE_FILE + _NEW)).rename(directory / CERTIFICATE_FILE)
        _sync(directory)


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Write one file whole, in place of what was there; raises PermissionError."""
    with _changing(path.parent):
        new = path.with_name(path.name + _NEW)
        _write_new(new, content, mode)
        new.rename(path)
        _sync(path.parent)


def move_pair(directory: Path, source: str, kept: str) -> None:
    """Let the CA in folder `source` take the place of the one in force, which goes into folder `kept`.

    A crash leaves what was, or a move that `complete` finishes: never a key without its certificate. Raises
    FileExistsError where `kept` holds another CA already, and PermissionError.
    """
    with _changing(directory):
        _finish_move(directory)
        _keep(directory, directory / kept)
        _write_new(directory / (_MOVE_FILE + _NEW), source.encode(), 0o644)
        (directory / (_MOVE_FILE + _NEW)).rename(directory / _MOVE_FILE)
        _sync(directory)
        _finish_move(directory)


def remove_pair(directory: Path) -> None:
    """Delete a CA with its folder; raises PermissionError."""
    leaving = directory.with_name(directory.name + _NEW)
    with _changing(directory.parent):
        shutil.rmtree(leaving, ignore_errors=True)
        directory.rename(leaving)
        _sync(directory.parent)
        shutil.rmtree(leaving)


def complete(directory: Path) -> None:
    """Finish what a crash cut short, a creation or a move; nothing to do in every other state."""
    begun = (directory / (CERTIFICATE_FILE + _NEW)).exists() and (directory / KEY_FILE).exists()
    if begun or (directory / _MOVE_FILE).exists():
        with contextlib.suppress(PermissionError), _changing(directory):
            _finish_creation(directory)
            _finish_move(directory)


def _finish_creation(directory: Path) -> None:
    key, certificate = directory / KEY_FILE, directory / CERTIFICATE_FILE
    new = directory / (CERTIFICATE_FILE + _NEW)
    # Once the key has its name, no key waits under the temporary one: a key put there by hand is not ours to complete.
    unfinished = os.path.lexists(key) and not os.path.lexists(directory / (KEY_FILE + _NEW))
    if unfinished and not os.path.lexists(certificate) and new.is_file():
        new.rename(certificate)
        _sync(directory)


def _finish_move(directory: Path) -> None:
    try:
        source = directory / (directory / _MOVE_FILE).read_text()
    except FileNotFoundError:
        return
    for name in (KEY_FILE, CERTIFICATE_FILE):
        with contextlib.suppress(FileNotFoundError):
            (source / name).replace(directory / name)
    with contextlib.suppress(OSError):
        source.rmdir()
    (directory / _MOVE_FILE).unlink()
    _sync(directory)


def _keep(directory: Path, kept: Path) -> None:
    """Copy the CA in force into a folder, as a whole."""
    names = (KEY_FILE, CERTIFICATE_FILE)
    if kept.exists():
        if any((kept / name).read_bytes() != (directory / name).read_bytes() for name in names):
            raise FileExistsError(f"{kept} holds another CA; part from it first, with --finish")
        return
    copy = kept.with_name(kept.name + _NEW)
    shutil.rmtree(copy, ignore_errors=True)
    _make_folder(copy)
    _write_new(copy / KEY_FILE, (directory / KEY_FILE).read_bytes(), 0o600)
    _write_new(copy / CERTIFICATE_FILE, (directory / CERTIFICATE_FILE).read_bytes(), 0o644)
    _sync(copy)
    copy.rename(kept)
    _sync(directory)


@contextlib.contextmanager
def _changing(directory: Path) -> Iterator[None]:
    """Hold the directory, which is made if it is missing; what the system refuses is a PermissionError with a way out.

    Two processes that start in one empty directory must not each make half of a CA.
    """
    try:
        if not directory.exists():
            _make_folder(directory)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except FileExistsError:
        raise
    except OSError as error:
        raise PermissionError(
            f"nothing can be put into {directory}: {error.strerror}; let uid {os.geteuid()} write there, "
            "or choose another directory (--ca-dir)"
        ) from error


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _hand_over(folder, folder.parent)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        _hand_over(descriptor, path.parent)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _hand_over(made: int | Path, parent: Path) -> None:
    """What root makes, with `docker exec` say, belongs to whom the directory belongs to: the proxy has to read it."""
    owner = parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(made, owner.st_uid, owner.st_gid)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
