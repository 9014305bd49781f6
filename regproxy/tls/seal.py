"""Seals: small texts that only who holds the CA's key can make or read, so that replicas and restarts can, too."""

import contextlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from regproxy.tls.leaf import SigningKey

_NONCE_BYTES = 12
_KEY_BYTES = 32
_LABEL = b"regproxy seal 1"


class Seal:
    """AES-256-GCM (NIST SP 800-38D) with random nonces: a key is good for 2**32 seals.

    The first key closes, all open.
    """

    def __init__(self, *keys: bytes) -> None:
        self._keys = keys

    @classmethod
    def of(cls, key: SigningKey) -> "Seal":
        """The seal of a CA: its key is derived from the CA's (HKDF-SHA256, RFC 5869), whatever file that lies in."""
        secret = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=_LABEL).derive(secret))

    def beside(self, *others: "Seal") -> "Seal":
        """One that closes as this one, and opens what the others closed, too."""
        return Seal(*self._keys, *(key for other in others for key in other._keys))

    def close(self, text: bytes, context: bytes) -> bytes:
        """The text, sealed; it opens in the same context only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._keys[0]).encrypt(nonce, text, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The text; raises ValueError for what was not closed by one of the keys in this context."""
        for key in self._keys:
            with contextlib.suppress(InvalidTag, ValueError):
                return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        raise ValueError("the seal is not ours, or broken")
