"""What TLS to an upstream needs: the authorities that it is checked against, and the certificate that we show."""

import hashlib
import os
import ssl
import stat
from collections.abc import Iterable
from pathlib import Path

from regproxy.model.egress import ClientCertificate

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

    `client` is the path of the client certificate with its key, if there is one. `hashes` has the SHA-256 of each
    `ca file`, as it was when it was read. Raises OSError, with a sentence, when a file cannot be read, when there is
    none at all, or when a key is not that of its certificate.
    """

    def __init__(
        self,
        ca_files: tuple[str, ...],
        system: Iterable[str] = _SYSTEM_BUNDLES,
        client: ClientCertificate | None = None,
    ) -> None:
        self._held: list[int] = []
        self.hashes: dict[str, str] = {}
        try:
            self.path = self._authorities(ca_files, system)
            self.client = self._identity(client) if client is not None else None
        except OSError:
            self.close()
            raise

    def _authorities(self, ca_files: tuple[str, ...], system: Iterable[str]) -> str:
        found = next((name for name in system if Path(name).is_file()), None)
        if not ca_files:
            if found is None:
                raise FileNotFoundError(
                    "this machine has no bundle of certificate authorities; install ca-certificates or name a ca file"
                )
            return found
        own = {name: _read(name) for name in ca_files}
        self.hashes = {name: hashlib.sha256(content).hexdigest() for name, content in own.items()}
        parts = [*([_read(found)] if found else []), *own.values()]
        return self._in_memory(b"\n".join(parts))

    def _identity(self, client: ClientCertificate) -> str:
        """The path of chain and key in one; OpenSSL says here what libcurl would say of each connection."""
        path = self._in_memory(f"{client.key.reveal()}\n{client.chain.reveal()}\n".encode())
        try:
            # A password is given so that OpenSSL never asks for one on a terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, password="")
        except ssl.SSLError as error:
            sentence = f"the client certificate in {client.chain.origin.name} cannot be used with its key"
            raise OSError(f"{sentence}: {error.reason or 'it is no PEM'}") from error
        return path

    def _in_memory(self, content: bytes) -> str:
        """The path of a file in memory: nothing to clean up after a kill, and a read-only file system will do."""
        held = os.memfd_create("regproxy-tls", os.MFD_CLOEXEC)
        self._held.append(held)
        with os.fdopen(held, "wb", closefd=False) as file:
            file.write(content)
        return f"/proc/self/fd/{held}"

    def close(self) -> None:
        """Free the memory behind what was put together."""
        for held in self._held:
            os.close(held)
        self._held.clear()


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
