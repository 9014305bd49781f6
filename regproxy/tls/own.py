"""A certificate of the operator's own for the proxy's name, read again from its files while the proxy runs."""

import ssl
from pathlib import Path

from cryptography import x509

from regproxy.model.leaf import Leaf
from regproxy.tls.contexts import server_context
from regproxy.tls.files import read_certificates, read_key_file

REREAD_SECONDS = 3600.0


class OwnCertificate:
    """What `--tls-certificate` and `--tls-key` name: PEM, the certificate first, its chain behind it."""

    def __init__(self, name: str, certificate: Path, key: Path) -> None:
        self.name = name
        self._certificate = certificate
        self._key = key
        self._last: Leaf | None = None

    def leaf(self, now: float) -> Leaf:
        """The certificate as it is now, to be asked for again within an hour; raises ValueError, names the file.

        Files that are wrong for the moment leave the last one that was right in use.
        """
        try:
            leaf = self._read(now)
        except ValueError:
            if self._last is None or not self._last.valid(now):
                raise
            return self._last
        self._last = leaf
        return leaf

    def _read(self, now: float) -> Leaf:
        try:
            chain, key = read_certificates(self._certificate), read_key_file(self._key)
        except OSError as wrong:
            raise ValueError(str(wrong)) from wrong
        try:
            first = x509.load_pem_x509_certificates(chain)[0]
        except (ValueError, IndexError) as wrong:
            raise ValueError(f"{self._certificate} holds no certificate in PEM") from wrong
        begins, ends = first.not_valid_before_utc.timestamp(), first.not_valid_after_utc.timestamp()
        leaf = Leaf(self.name, key + b"\n" + chain, begins, ends, min(now + REREAD_SECONDS, ends))
        try:
            server_context(leaf)
        except (ssl.SSLError, OSError) as wrong:
            raise ValueError(f"{self._key} is not the key of {self._certificate}: {wrong}") from wrong
        return leaf
