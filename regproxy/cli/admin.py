"""Asking the running proxy over its admin socket."""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import click

from regproxy.settings.directories import default_cache_directory
from regproxy.settings.serve import admin_socket

SECONDS = 30.0
MAX_ANSWER = 16 * 1024 * 1024

admin_option = click.option(
    "--admin",
    metavar="unix:PATH",
    envvar="REGPROXY_ADMIN",
    help="The admin socket of the running proxy. [default: admin.sock in the cache directory]",
)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


def call(admin: str | None, method: str, path: str, query: Mapping[str, str]) -> dict[str, object]:
    """Call the running proxy; a wrong address or query is a usage error, no proxy there a plain one."""
    try:
        found = admin_socket(admin, _cache_directory())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if found is None:
        raise click.UsageError("--admin is off: there is no socket to ask")
    connection = _Connection(found)
    try:
        connection.request(method, f"/api/v1{path}" + (f"?{urlencode(query)}" if query else ""))
        response = connection.getresponse()
        answer: dict[str, object] = json.loads(response.read(MAX_ANSWER))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise click.ClickException(f"no proxy answers at {found}: {error}; is it running? see --admin") from error
    finally:
        connection.close()
    if response.status != 200:
        raise click.UsageError(str(answer.get("detail", response.reason)))
    return answer


def _cache_directory() -> Path:
    """The cache directory of a `serve` in this environment."""
    named = os.environ.get("REGPROXY_CACHE_DIR")
    return Path(named) if named else default_cache_directory(os.environ)
