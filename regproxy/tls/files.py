"""The two files of a CA directory: read with suspicion, written whole or not at all."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CERTIFICATE_FILE = "ca.crt"
KEY_FILE = "ca.key"
CERTIFICATE_SUFFIX, KEY_SUFFIX = ".crt", ".key"
_NEW = ".new"
_MAX_FILE = 256 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Pair:
    """The bytes of both files and where they lie."""

    path: Path
    certificates: bytes
    key_path: Path
    key: bytes = field(repr=False)


def read_pair(directory: Path) -> Pair:
    """Both files of a CA; raises FileNotFoundError when there is neither, and ValueError when there is only one.

    PermissionError when we may not read one, or when others may read the key.
    """
    _finish_creation(directory)
    path, key_path = directory / CERTIFICATE_FILE, directory / KEY_FILE
    certificates, key = _optional(read_certificates, path), _optional(read_key_file, key_path)
    if certificates is not None and key is not None:
        return Pair(path, certificates, key_path, key)
    if certificates is None and key is None:
        raise FileNotFoundError(f"there is no CA in {directory}; make one with: regproxy ca init --ca-dir {directory}")
    there, missing = (path, key_path) if key is None else (key_path, path)
    raise ValueError(
        f"{there} is there but {missing} is not: put it back, or, to have clients trust a new CA, move {there} away"
    )


def _optional(read: Callable[[Path], bytes], path: Path) -> bytes | None:
    try:
        return read(path)
    except FileNotFoundError:
        return None


def read_key_file(path: Path) -> bytes:
    """The bytes of a private key that only its owner can read, or, where root lends it to us, our group.

    Raises FileNotFoundError, PermissionError (more may read it, or we may not) and ValueError (no regular file). A
    symbolic link is followed within the directory only, as Kubernetes lays them, so that nobody chooses what we sign
    with by a link to elsewhere.
    """
    try:
        within = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(path.parent))
        descriptor = os.open(os.path.realpath(path) if within else path, _READ)
    except PermissionError as error:
        raise PermissionError(f"{path}: uid {os.geteuid()} cannot read it; give it the file with chown") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(f"{path} is a symbolic link to elsewhere; put the key itself there") from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is not a regular file")
        mode = stat.S_IMODE(status.st_mode)
        # PostgreSQL's rule: a mounted secret belongs to root, and comes to an unprivileged process by its group.
        lent = status.st_uid == 0 and os.geteuid() != 0
        if mode & (0o037 if lent else 0o077):
            raise PermissionError(f"{path} is open to others than its owner (mode {mode:04o}); run: chmod 600 {path}")
        return os.read(descriptor, _MAX_FILE)
    finally:
        os.close(descriptor)


def read_certificates(path: Path) -> bytes:
    """The bytes of the certificate file; raises FileNotFoundError and PermissionError."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE)
    except PermissionError as error:
        raise PermissionError(f"{path}: uid {os.geteuid()} cannot read it; give it the file with chown") from error


def read_passphrase(path: Path) -> bytes:
    """The pass phrase in a file, without its line end; raises ValueError."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE).rstrip(b"\r\n")
    except OSError as error:
        raise ValueError(f"{path}: the pass phrase of the CA key cannot be read: {error.strerror}") from error


def write_pair(directory: Path, key: bytes, certificate: bytes) -> None:
    """Put a new CA in place: both files are on disk before the first gets its name, the key first.

    After a crash there is nothing (start again), or the key and the certificate under its temporary name, which
    `read_pair` completes. Raises FileExistsError rather than overwrite, and PermissionError.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(directory):
            _finish(directory)
            _refuse_existing(directory)
            _write_new(directory / (KEY_FILE + _NEW), key, 0o600)
            _write_new(directory / (CERTIFICATE_FILE + _NEW), certificate, 0o644)
            (directory / (KEY_FILE + _NEW)).rename(directory / KEY_FILE)
            (directory / (CERTIFICATE_FILE + _NEW)).rename(directory / CERTIFICATE_FILE)
            _sync(directory)
    except FileExistsError:
        raise
    except OSError as error:
        raise PermissionError(
            f"no CA can be made in {directory}: {error.strerror}; let uid {os.geteuid()} write there, "
            "or choose another directory with --ca-dir"
        ) from error


def _refuse_existing(directory: Path) -> None:
    for name in (KEY_FILE, CERTIFICATE_FILE):
        if os.path.lexists(directory / name):
            raise FileExistsError(f"{directory / name} exists; a CA is never replaced silently")


def _finish_creation(directory: Path) -> None:
    """Complete a creation that a crash cut short between its two renames; nothing to do in every other state."""
    if (directory / (CERTIFICATE_FILE + _NEW)).exists() and (directory / KEY_FILE).exists():
        with contextlib.suppress(PermissionError), _locked(directory):
            _finish(directory)


def _finish(directory: Path) -> None:
    key, certificate = directory / KEY_FILE, directory / CERTIFICATE_FILE
    new = directory / (CERTIFICATE_FILE + _NEW)
    # Once the key has its name, no key waits under the temporary one: a key put there by hand is not ours to complete.
    unfinished = os.path.lexists(key) and not os.path.lexists(directory / (KEY_FILE + _NEW))
    if unfinished and not os.path.lexists(certificate) and new.is_file():
        new.rename(certificate)
        _sync(directory)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Two processes that start in one empty directory must not each make half of a CA."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
