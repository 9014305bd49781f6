"""Where edges find the core: a listening socket without a name, reached through a descriptor that the parent hands out.

The socket outlives each core, for the parent keeps it: while one is started, edges that connect wait in its queue.
"""

import os
import socket
import tempfile
from pathlib import Path

BACKLOG = 128


def listen() -> tuple[socket.socket, int]:
    """A listening SOCK_SEQPACKET socket, and a descriptor of its file, which is removed again: nobody else finds it."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with tempfile.TemporaryDirectory(prefix="regproxy-") as directory:
            path = Path(directory) / "core"
            listening.bind(str(path))
            listening.listen(BACKLOG)
            return listening, os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        listening.close()
        raise


def dial(file: int) -> socket.socket:
    """A connection to the socket behind this descriptor; never waits, raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)
    try:
        connection.connect(f"/proc/self/fd/{file}")
    except OSError:
        connection.close()
        raise
    return connection
