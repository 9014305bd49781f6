"""The core's own listener."""

import asyncio
import http.client
from collections.abc import Callable

import pytest

from regproxy.admin.health import Health
from regproxy.app.listeners import bind
from tests.lab.client import Refused, connect
from tests.lab.processes import free_port


def ask(port: int, method: str, path: str) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, headers={"Host": "any.name", "Accept": "text/plain"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Content-Type", "")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("state", "method", "path", "status", "body"),
    [
        (None, "GET", "/livez", 200, b"alive\n"),
        (None, "GET", "/readyz", 200, b"ready\n"),
        ("draining", "GET", "/readyz", 503, b"draining\n"),
        ("draining", "GET", "/livez", 200, b"alive\n"),
        (None, "GET", "/metrics", 200, b"x 1 for text/plain\n"),
        (None, "HEAD", "/metrics", 200, b""),
        (None, "GET", "/", 404, b"see /metrics, /livez and /readyz\n"),
        (None, "POST", "/metrics", 405, b""),
    ],
)
def test_health_and_metrics_are_read_only(state: str | None, method: str, path: str, status: int, body: bytes) -> None:
    async def page(accept: str) -> tuple[bytes, str]:
        return f"x 1 for {accept}\n".encode(), "text/plain"

    async def story() -> None:
        port = free_port()
        why: Callable[[], str | None] = lambda: state  # noqa: E731 -- as the service gives it
        health = Health(page, why)
        health.start([bind(f"127.0.0.1:{port}")])
        found = await asyncio.to_thread(ask, port, method, path)
        assert found[:2] == (status, body)
        await health.stop()

    asyncio.run(story())


def test_who_takes_the_port_for_the_proxys_reads_which_port_that_is() -> None:
    async def page(_accept: str) -> tuple[bytes, str]:
        return b"", "text/plain"

    async def story() -> None:
        port = free_port()
        health = Health(page, lambda: None)
        health.start([bind(f"127.0.0.1:{port}")])
        with pytest.raises(Refused, match="the proxy listens on another, 3128"):
            await asyncio.to_thread(connect, port, "quay.io:443")
        await health.stop()

    asyncio.run(story())
