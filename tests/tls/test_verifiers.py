"""What clients' own libraries think of our leaves: OpenSSL, GnuTLS, and Go as skopeo carries it.

Each is shown leaves that a thief of the key would make: outside its names the CA is worth nothing to him.
"""

import contextlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from regproxy.tls.authority import CertificateAuthority, create, load
from regproxy.tls.constraints import extension
from regproxy.tls.contexts import server_context
from tests.lab.peers import need
from tests.tls.making import DAY, make, place

PERMITTED = ["quay.io", "corp.example"]
NAMES = {
    "quay.io": True,
    "cdn01.quay.io": True,
    "harbor.corp.example": True,
    "evilquay.io": False,
    "bank.example": False,
    "10.0.0.1": False,
}


def own(directory: Path) -> CertificateAuthority:
    """A CA as `ca init` makes it: the root itself is limited."""
    return create(directory, PERMITTED, time.time())


def issuing(directory: Path) -> CertificateAuthority:
    """A limited issuing CA below a root that is not."""
    now = time.time()
    root = make("root", begins=now - DAY, ends=now + DAY)
    below = make("issuing", root, path_length=0, begins=now - DAY, ends=now + DAY, extensions=(extension(PERMITTED),))
    return load(place(directory, below.pem + root.pem, below.key_pem()))


Verifier = Callable[[CertificateAuthority, str, Path], tuple[bool, str]]


def openssl(ca: CertificateAuthority, name: str, directory: Path) -> tuple[bool, str]:
    need("openssl")
    root, leaf, chain = _files(ca, name, directory)
    option = "-verify_ip" if name[0].isdigit() else "-verify_hostname"
    command = ["openssl", "verify", "-purpose", "sslserver", option, name]
    return _ran([*command, "-CAfile", str(root), "-untrusted", str(chain), str(leaf)])


def gnutls(ca: CertificateAuthority, name: str, directory: Path) -> tuple[bool, str]:
    need("gnutls")
    root, _, chain = _files(ca, name, directory)
    command = ["certtool", "--verify", "--verify-profile", "medium", "--verify-purpose", "1.3.6.1.5.5.7.3.1"]
    command += [] if name[0].isdigit() else ["--verify-hostname", name]
    return _ran([*command, "--load-ca-certificate", str(root), "--infile", str(chain)])


def go(ca: CertificateAuthority, name: str, directory: Path) -> tuple[bool, str]:
    """Skopeo asks a server that answers nothing: what it says of the certificate, or of the answer, is what counts."""
    need("skopeo")
    root, *_ = _files(ca, name, directory)
    with _forger(ca, name) as port:
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "SSL_CERT_FILE": str(root)}
        environment |= {"SSL_CERT_DIR": "/nonexistent", "HTTPS_PROXY": f"http://127.0.0.1:{port}"}
        _, said = _ran(["skopeo", "inspect", "--raw", f"docker://{name}/a/b:c"], environment)
    return "404" in said, said


def _files(ca: CertificateAuthority, name: str, directory: Path) -> tuple[Path, Path, Path]:
    """The root, the leaf, and the leaf with its chain."""
    # A thief of the key would not ask `permits`; nor does this.
    sent = x509.load_pem_x509_certificates(ca._mint.sign(name, time.time()).pem)
    paths = [directory / file for file in ("root.pem", "leaf.pem", "chain.pem")]
    for path, some in zip(paths, ([ca.root], sent[:1], sent), strict=True):
        path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in some))
    return paths[0], paths[1], paths[2]


@contextlib.contextmanager
def _forger(ca: CertificateAuthority, name: str) -> Iterator[int]:
    """A proxy that takes every CONNECT for `name`, whoever the CA permits; the port."""
    context = server_context(ca._mint.sign(name, time.time()))

    def serve() -> None:
        while True:
            try:
                raw, _ = listening.accept()
            except OSError:
                return
            with raw, contextlib.suppress(OSError, ssl.SSLError):
                raw.settimeout(10)
                raw.recv(4096)
                raw.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with context.wrap_socket(raw, server_side=True) as client:
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _ran(command: list[str], environment: dict[str, str] | None = None) -> tuple[bool, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("verify", [openssl, gnutls, pytest.param(go, marks=pytest.mark.real)])
@pytest.mark.parametrize("made", [own, issuing])
@pytest.mark.parametrize(("name", "accepted"), NAMES.items())
def test_clients_accept_from_the_ca_what_it_permits_and_nothing_else(
    verify: Verifier, made: Callable[[Path], CertificateAuthority], name: str, accepted: bool, tmp_path: Path
) -> None:
    ca = made(tmp_path / "ca")
    assert ca.permits(name) is accepted
    found, said = verify(ca, name, tmp_path)
    assert found is accepted, said
