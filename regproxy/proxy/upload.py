"""A request's body on its way to the core, through a socket pair whose end says whether the body is whole."""

import asyncio
import os
import socket

from regproxy.model.answer import RequestBody


class Upload:
    """Owns our end of the pair, and the core's until it is asked.

    A socket that is closed with bytes in it that nobody read resets its peer (unix(7)). Such a byte lies in ours until
    `finish` takes it out: whatever else ends us, the core sees a body that broke off, never one that ended.
    """

    def __init__(self, size: int | None) -> None:
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        theirs.send(b"\0")
        self._unasked: int | None = theirs.detach()
        self.body = RequestBody(self._unasked, size)

    def asked(self) -> None:
        """The core owns its end from here on."""
        self._unasked = None

    async def write(self, chunk: bytes) -> None:
        """Hand on a piece; waits while the core takes no more, and drops it once the core takes nothing."""
        if self._ours.fileno() >= 0:
            try:
                await asyncio.get_running_loop().sock_sendall(self._ours, chunk)
            except OSError:
                self.close()

    def finish(self) -> None:
        """The body is whole."""
        if self._ours.fileno() >= 0:
            self._ours.recv(1)
            self.close()

    def close(self) -> None:
        """No more comes; without `finish` before, the body broke off."""
        self._ours.close()

    def close_unasked(self) -> None:
        """Nobody will be asked: close the core's end as well, if it is still ours."""
        if self._unasked is not None:
            os.close(self._unasked)
            self._unasked = None
