"""Asking the running proxy over its admin socket, or at an address with the token."""

import http.client
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from regproxy.cli.administering import TOKEN_FILE_HELP, token_of
from regproxy.cli.sentence import sentence
from regproxy.policy.diagnostic import visible
from regproxy.settings.admin import admin_socket, told_apart
from regproxy.settings.directories import default_cache_directory

SECONDS = 30.0
MAX_ANSWER = 16 * 1024 * 1024
SERVICE_SOCKET = Path("/run/regproxy/admin.sock")  # deploy/systemd/regproxy.service
# Answers that say that the call is wrong, or not allowed.
_OF_THE_QUERY = frozenset({400, 401, 403, 405})
_TOKEN_FILE = "regproxy.admin_token_file"  # noqa: S105 -- a key of click's notes


def admin_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--admin`, which the command hands to `call`, and `--admin-token-file`, which `call` finds."""
    admin = click.option(
        "--admin",
        metavar="unix:PATH|http://HOST:PORT",
        envvar="REGPROXY_ADMIN",
        help="Where the running proxy is asked. [default: admin.sock in the cache directory, or the service's own]",
    )
    token_file = click.option(
        "--admin-token-file",
        type=click.Path(path_type=Path),
        envvar="REGPROXY_ADMIN_TOKEN_FILE",
        expose_value=False,
        callback=_note,
        help=TOKEN_FILE_HELP,
    )
    return admin(token_file(command))


def _note(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    context.meta[_TOKEN_FILE] = path


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


def call(admin: str | None, method: str, path: str, query: Mapping[str, str]) -> dict[str, object]:
    """Call the running proxy; a wrong address or query is a usage error; no proxy, or not the thing, a plain one."""
    try:
        connection, place, headers = _way(admin)
    except (ValueError, OSError) as error:
        raise click.UsageError(sentence(error)) from error
    try:
        connection.request(method, f"/api/v1{path}" + (f"?{urlencode(query)}" if query else ""), headers=headers)
        with connection.getresponse() as response:
            answer: dict[str, object] = dict(json.loads(response.read(MAX_ANSWER)))
    except (ValueError, TypeError) as error:
        raise click.ClickException(f"what answers at {place} is not where a regproxy is asked; see --admin") from error
    except PermissionError as error:
        raise click.ClickException(f"{place} is for the proxy's own user, and for root; be one of them") from error
    except (OSError, http.client.HTTPException) as error:
        why = sentence(error)
        raise click.ClickException(f"no proxy answers at {place}: {why}; is it running? see --admin") from error
    finally:
        connection.close()
    if response.status != 200:
        kind = click.UsageError if response.status in _OF_THE_QUERY else click.ClickException
        raise kind(visible(str(answer.get("detail", response.reason))))
    return answer


def _way(admin: str | None) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """A connection, what to call it, and the headers; the socket where there is one, of all that `serve` was told."""
    sockets, addresses = told_apart((admin or "").split())
    if addresses and (not sockets or sockets[0] == "off"):
        return _by_address(addresses[0])
    path = admin_socket(sockets[0], _cache_directory()) if sockets else _default_socket()
    if path is None:
        raise ValueError("--admin is off: there is no socket to ask")
    return _Connection(path), str(path), {}


def _default_socket() -> Path | None:
    """That of a `serve` in this environment; where there is none, that of the service on this machine."""
    own = admin_socket(None, _cache_directory())
    named = "REGPROXY_CACHE_DIR" in os.environ
    return own if named or own is None or own.exists() or not SERVICE_SOCKET.exists() else SERVICE_SOCKET


def _by_address(text: str) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    url = urlsplit(text if "://" in text else f"http://{text}")
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/"):
        raise ValueError(f"--admin {text!r} is neither unix:/an/absolute/path nor http://HOST:PORT")
    context = click.get_current_context(silent=True)
    token_file = context.meta.get(_TOKEN_FILE) if context is not None else None
    if token_file is None:
        raise ValueError(f"{text} asks for a token; give --admin-token-file FILE")
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    headers = {"Authorization": f"Bearer {token_of(token_file)}"}
    return kind(url.hostname, url.port, timeout=SECONDS), text, headers


def _cache_directory() -> Path:
    """The cache directory of a `serve` in this environment."""
    named = os.environ.get("REGPROXY_CACHE_DIR")
    return Path(named) if named else default_cache_directory(os.environ)
