"""A request's body on its way to the core: a whole one ends, one that broke off is reset."""

import asyncio
import os
import socket

import pytest

from regproxy.proxy.upload import Upload


def core_end(upload: Upload) -> socket.socket:
    upload.asked()
    return socket.socket(fileno=upload.body.fd)


@pytest.mark.parametrize("data", [b"", b"some of it"])
def test_only_a_whole_body_ends_as_one(data: bytes) -> None:
    async def story() -> None:
        whole, broken = Upload(None), Upload(None)
        with core_end(whole) as end, core_end(broken) as reset:
            for upload in (whole, broken):
                await upload.write(data)
            whole.finish()
            broken.close()
            for core in (end, reset) if data else ():
                assert core.recv(100) == data
            assert end.recv(100) == b""
            with pytest.raises(ConnectionResetError):
                reset.recv(100)

    asyncio.run(story())


def test_a_core_that_takes_no_more_is_no_error() -> None:
    async def story() -> None:
        upload = Upload(10)
        core_end(upload).close()
        for _ in range(2):
            await upload.write(b"more")
        upload.finish()
        upload.close()

    asyncio.run(story())


def test_the_cores_end_is_closed_by_whoever_owns_it() -> None:
    async def story() -> None:
        asked, unasked = Upload(1), Upload(1)
        asked.asked()
        for upload in (asked, unasked):
            upload.close_unasked()
            upload.close()
        os.close(asked.body.fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(unasked.body.fd)

    asyncio.run(story())
