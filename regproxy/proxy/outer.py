"""TLS around the proxy's own port, so that what a client says to the proxy is not in clear.

It ends here, in front of everything else: what is inside goes through a pair of sockets to a stream like any other,
which may speak TLS once more, for the registry.
"""

import asyncio
import contextlib
import socket
import ssl

from regproxy.proxy.deadline import SEND_SECONDS

HANDSHAKE_SECONDS = 10.0
CHUNK_BYTES = 64 * 1024


async def carry(client: socket.socket, inner: socket.socket, context: ssl.SSLContext) -> None:
    """Speak TLS with the client and carry what is inside both ways, until both sides have ended; closes both sockets.

    Raises OSError, ssl.SSLError included, when the handshake fails. Bytes wait on each side until the other takes them;
    a client that does not take a piece in `SEND_SECONDS` is given up.
    """
    loop = asyncio.get_running_loop()
    try:
        from_client = asyncio.StreamReader(limit=CHUNK_BYTES)
        protocol = asyncio.StreamReaderProtocol(from_client)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, client, ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS
        )
    except BaseException:
        client.close()
        inner.close()
        raise
    to_client = asyncio.StreamWriter(transport, protocol, from_client, loop)
    from_inner, to_inner = await asyncio.open_connection(sock=inner, limit=CHUNK_BYTES)
    inward = asyncio.ensure_future(_inward(from_client, to_inner))
    outward = asyncio.ensure_future(_outward(from_inner, to_client))
    try:
        # What is inside ends when the client has, and not before: its last bytes still leave.
        await outward
    finally:
        for way in (inward, outward):
            way.cancel()
        said, _ = await asyncio.gather(inward, outward, return_exceptions=True)
        transport.abort()
        to_inner.transport.abort()
    if isinstance(said, ssl.SSLError):
        raise said


async def _inward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """From the client; raises ssl.SSLError where that is all that it says: by TLS 1.3 its doubts come so late."""
    try:
        chunk = await source.read(CHUNK_BYTES)
        with contextlib.suppress(OSError):
            while chunk:
                target.write(chunk)
                await target.drain()
                chunk = await source.read(CHUNK_BYTES)
    finally:
        with contextlib.suppress(OSError):
            target.write_eof()


async def _outward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """To the client, and an orderly end behind the last byte."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK_BYTES):
            target.write(chunk)
            # What is inside gives up on a client that stands still, but cannot tell it through what waits here.
            async with asyncio.timeout(SEND_SECONDS):
                await target.drain()
        target.close()
        await target.wait_closed()
