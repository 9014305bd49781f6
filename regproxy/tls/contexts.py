"""TLS contexts for intercepted connections: one per name, made on demand, renewed while running."""

import os
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from regproxy.model.answer import CoreAway
from regproxy.model.leaf import Leaf

MAX_CONTEXTS = 256


class Contexts:
    """The contexts of one process, the least recently used dropped beyond `MAX_CONTEXTS`."""

    def __init__(self, issue: Callable[[str], Awaitable[Leaf]], clock: Callable[[], float]) -> None:
        """`issue` gives a fresh leaf; `clock` seconds since the epoch: certificates live by the wall clock."""
        self._issue = issue
        self._clock = clock
        self._made: OrderedDict[str, tuple[Leaf, ssl.SSLContext]] = OrderedDict()
        self._forgotten = 0

    def __len__(self) -> int:
        """How many contexts are kept."""
        return len(self._made)

    def forget(self) -> None:
        """Ask anew for every name: another CA is in force. Connections keep what they have."""
        self._made.clear()
        self._forgotten += 1

    def made(self, name: str) -> ssl.SSLContext | None:
        """The context of this name, if there is one that need not be renewed."""
        known = self._made.get(name)
        if known is None or not known[0].serves(self._clock()):
            return None
        self._made.move_to_end(name)
        return known[1]

    async def context(self, name: str) -> ssl.SSLContext:
        """The server context for one canonical host; about a millisecond for a new name.

        Raises ValueError for a name that the CA does not permit, NotValidNow while the CA is not valid, and CoreAway.
        """
        made = self.made(name)
        if made is not None:
            return made
        known, before = self._made.get(name), self._forgotten
        try:
            leaf = await self._issue(name)
        except CoreAway:
            if known is not None and known[0].valid(self._clock()):
                return known[1]
            raise
        context = server_context(leaf)
        if before != self._forgotten:
            # It was signed before all was forgotten, and serves this one client.
            return context
        self._made[name] = (leaf, context)
        self._made.move_to_end(name)
        if len(self._made) > MAX_CONTEXTS:
            self._made.popitem(last=False)
        return context


def _note_name(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
    """Keep the name asked for by SNI as the connection's `requested_name`: a request on it must not be for another."""
    vars(connection)["requested_name"] = name


def requested_name(connection: ssl.SSLObject | ssl.SSLSocket) -> str | None:
    """The name that a client asked for by SNI, if it did, once the handshake is made.

    Raises KeyError where the context is none of ours: nobody knows what was asked for.
    """
    name: str | None = vars(connection)["requested_name"]
    return name


def server_context(leaf: Leaf) -> ssl.SSLContext:
    """TLS 1.2 and later, forward secret, HTTP/1.1 only; the leaf's key never touches a disk."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    # The client's order counts: it knows whether AES (128 bits first) or ChaCha is cheap for it.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    # A new handshake amid a body would make writing wait for reading.
    context.options |= ssl.OP_NO_RENEGOTIATION
    # No client of a registry resumes. TLS 1.2 keeps its stateless tickets: without them OpenSSL would cache sessions.
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    context.sni_callback = _note_name
    descriptor = os.memfd_create("leaf", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, leaf.pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context
