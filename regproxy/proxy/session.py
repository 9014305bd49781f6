"""TLS of one connection, through memory: what the socket brought goes in, what it has to send comes out.

`SSLSocket.send` makes one system call per 16 KiB record; through memory the caller sends many records at once.
"""

import contextlib
import ssl

from regproxy.model.event import HandshakeCause
from regproxy.tls.contexts import requested_name


class TlsSession:
    """The server's side of one TLS connection; knows no socket. The context is one of `tls.contexts`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.shaken = False
        self.failure: HandshakeCause | None = None

    @property
    def requested_name(self) -> str | None:
        """The name that the client asked for by SNI, if it did."""
        return requested_name(self._tls)

    def receive(self, ciphertext: bytes) -> None:
        """Take what the socket brought."""
        self._incoming.write(ciphertext)

    def read(self, buffer: bytearray | memoryview) -> int | None:
        """Plaintext; None: more ciphertext is needed, 0: the connection is over. The handshake is made here.

        Reading may leave something to send: the handshake's flights, an alert, the answer to a key update.
        """
        if not self.holds:
            return None  # OpenSSL would raise an exception to say so
        try:
            if not self.shaken:
                self._tls.do_handshake()
                self.shaken = True
            return self._tls.read(len(buffer), buffer)  # type: ignore[return-value]
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return 0
        except ssl.SSLError as error:
            self.failure = handshake_cause(error)
            return 0
        finally:
            del buffer

    def encrypt(self, plaintext: memoryview) -> None:
        """Turn all of it into ciphertext to be sent; raises ssl.SSLError once the connection failed."""
        write = self._tls.write
        # A write makes one record of what it is given, and says how much went into it.
        while plaintext:
            plaintext = plaintext[write(plaintext) :]

    @property
    def holds(self) -> bool:
        """Whether something was received that nobody has read."""
        return bool(self._incoming.pending or self._tls.pending())

    @property
    def sends(self) -> bool:
        """Whether there is ciphertext that was not taken."""
        return bool(self._outgoing.pending)

    def ciphertext(self) -> bytes:
        """All that has to be sent and was not taken before."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def end(self) -> None:
        """Say close_notify; the peer's own is not waited for."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()


def handshake_cause(error: ssl.SSLError) -> HandshakeCause:
    """Why the client did not like us, as one of a few words."""
    reason = (getattr(error, "reason", "") or "").upper()
    if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason or "CERTIFICATE_UNKNOWN" in reason:
        return "unknown_ca"
    return "other"
