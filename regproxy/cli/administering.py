"""How a running `regproxy serve` is administered: its socket, and addresses at which a token is asked for."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from regproxy.admin.token import TokenFile
from regproxy.cli.sentence import sentence
from regproxy.settings.admin import AdminSettings, admin_settings, admin_socket, told_apart
from regproxy.settings.directories import default_cache_directory

TOKEN_FILE_HELP = "A file with the token that callers over TCP must know, one a line."  # noqa: S105 -- a sentence
_OPTIONS = (
    click.option(
        "--admin",
        multiple=True,
        metavar="unix:PATH|off|HOST:PORT",
        envvar="REGPROXY_ADMIN",
        help="The admin socket, and addresses that ask for a token; repeatable. [default: admin.sock in the cache "
        "directory, with no address]",
    ),
    click.option(
        "--admin-token-file",
        type=click.Path(path_type=Path),
        envvar="REGPROXY_ADMIN_TOKEN_FILE",
        help=TOKEN_FILE_HELP,
    ),
    click.option(
        "--admin-name",
        multiple=True,
        metavar="HOST",
        envvar="REGPROXY_ADMIN_NAME",
        help="What browsers call the proxy at such an address, beside the address itself; repeatable.",
    ),
)


def admin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `serve`, which gets them as `admin`, with the `cache_dir` that their default lies in."""

    @functools.wraps(command)
    def settled(
        *,
        admin: tuple[str, ...],
        admin_token_file: Path | None,
        admin_name: tuple[str, ...],
        cache_dir: Path | None,
        **others: Any,
    ) -> Any:
        directory = cache_dir or default_cache_directory(os.environ)
        settings = _settled(admin, admin_token_file, admin_name, directory)
        return command(admin=settings, cache_dir=directory, **others)

    found: Callable[..., Any] = settled
    for option in reversed(_OPTIONS):
        found = option(found)
    return found


def _settled(admin: tuple[str, ...], token_file: Path | None, names: tuple[str, ...], directory: Path) -> AdminSettings:
    """What the options mean; a default path that is too long for a socket is none, with a word about it."""
    if not told_apart(admin)[0]:
        try:
            admin_socket(None, directory)
        except ValueError as error:
            click.echo(f"warning: no admin socket: {error}", err=True)
            admin = ("off", *admin)
    try:
        settings = admin_settings(admin, token_file, names, directory)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if settings.addresses and token_file is not None:
        token_of(token_file)
    return settings


def token_of(path: Path) -> str:
    """The first token of a file; one that cannot be used is a usage error."""
    try:
        return TokenFile(path).read()[0]
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--admin-token-file: {sentence(error)}") from error
