"""Which certificate authorities an upstream is checked against: the system's, plus those of the registry block."""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

# Debian, Fedora, SUSE, Alpine. The environment's SSL_CERT_FILE is not asked: a stray variable must not move our trust.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class TrustBundle:
    """A file of certificate authorities that libcurl can open by `path`; call `close` when no transfer needs it.

    `hashes` has the SHA-256 of each `ca file`, as it was when it was read. Raises OSError, with a sentence, when a
    file cannot be read or when there is none at all.
    """

    def __init__(self, ca_files: tuple[str, ...], system: Iterable[str] = _SYSTEM_BUNDLES) -> None:
        found = next((name for name in system if Path(name).is_file()), None)
        self._fd: int | None = None
        self.hashes: dict[str, str] = {}
        if not ca_files:
            if found is None:
                raise FileNotFoundError(
                    "this machine has no bundle of certificate authorities; install ca-certificates or name a ca file"
                )
            self.path = found
            return
        own = {name: _read(name) for name in ca_files}
        self.hashes = {name: hashlib.sha256(content).hexdigest() for name, content in own.items()}
        parts = [*([_read(found)] if found else []), *own.values()]
        # In memory: nothing to clean up after a kill, and a read-only file system will do.
        self._fd = os.memfd_create("regproxy-ca", os.MFD_CLOEXEC)
        with os.fdopen(self._fd, "wb", closefd=False) as file:
            file.write(b"\n".join(parts))
        self.path = f"/proc/self/fd/{self._fd}"

    def close(self) -> None:
        """Free the memory behind a combined bundle."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _read(name: str) -> bytes:
    """The content of a regular file: a pipe in its place would hold up the event loop."""
    try:
        descriptor = os.open(name, _READ)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(0, "it is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            return file.read()
    except OSError as error:
        raise OSError(f"the ca file {name} cannot be read: {error.strerror}") from error
