"""The two files of a CA directory, read with suspicion."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from regproxy.tls.placing import CERTIFICATE_FILE, KEY_FILE, REQUEST_FILE, SECRET_FILES, complete

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

    PermissionError when we may not read one, or when others may read the key. Where a mounted TLS secret lies instead,
    its pair is read, with the root that is beside it.
    """
    complete(directory)
    path, key_path = _paths(directory)
    certificates, key = _optional(read_certificates, path), _optional(read_key_file, key_path)
    if certificates is not None and path.name != CERTIFICATE_FILE:
        certificates += b"\n" + (_optional(read_certificates, directory / CERTIFICATE_FILE) or b"")
    if certificates is not None and key is not None:
        return Pair(path, certificates, key_path, key)
    if certificates is None and key is None:
        raise FileNotFoundError(f"there is no CA in {directory}; make one with: regproxy ca init --ca-dir {directory}")
    if key is not None and (directory / REQUEST_FILE).exists():
        raise FileNotFoundError(
            f"{key_path} waits for its certificate: have {REQUEST_FILE} signed, and put it into {path}"
        )
    there, missing = (path, key_path) if key is None else (key_path, path)
    raise ValueError(
        f"{there} is there but {missing} is not: put it back, or, to have clients trust a new CA, move {there} away"
    )


def holds_ca(directory: Path) -> bool:
    """Whether there is a CA, or a part of one."""
    return any(os.path.lexists(path) for path in (*_paths(directory), directory / CERTIFICATE_FILE))


def _paths(directory: Path) -> tuple[Path, Path]:
    """Where certificate and key lie."""
    own, secret = (CERTIFICATE_FILE, KEY_FILE), SECRET_FILES
    mounted = os.path.lexists(directory / secret[1]) and not os.path.lexists(directory / KEY_FILE)
    certificate, key = secret if mounted else own
    return directory / certificate, directory / key


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
