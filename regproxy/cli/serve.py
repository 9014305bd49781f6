"""`regproxy serve`: everything that can fail with a clear message fails here, before a socket answers."""

import os
import sys
from pathlib import Path

import click

from regproxy.app.listeners import bind_all
from regproxy.app.serve import Prepared, serve
from regproxy.app.start import RefusedError, starting
from regproxy.cli.ca import ca_dir_option, ca_directory, ca_permit_option, passphrase_option
from regproxy.settings.directories import default_cache_directory
from regproxy.settings.floors import below_floors
from regproxy.settings.serve import DEFAULT_DRAIN, DEFAULT_LISTEN, DEFAULT_METRICS, ServeSettings, admin_socket
from regproxy.telemetry.access_log import AccessLog
from regproxy.upstream.versions import installed_versions


@click.command("serve")
@click.option("--policy", type=click.Path(path_type=Path), envvar="REGPROXY_POLICY", help="The policy file.")
@click.option(
    "--listen",
    multiple=True,
    default=DEFAULT_LISTEN,
    show_default=True,
    envvar="REGPROXY_LISTEN",
    help="Address of the proxy, host:port; repeatable.",
)
@click.option(
    "--metrics",
    default=DEFAULT_METRICS,
    show_default=True,
    envvar="REGPROXY_METRICS",
    help="Address of /metrics, /livez and /readyz.",
)
@click.option(
    "--admin",
    metavar="unix:PATH|off",
    envvar="REGPROXY_ADMIN",
    help="The admin socket. [default: admin.sock in the cache directory]",
)
@click.option(
    "--cache-dir", type=click.Path(path_type=Path), envvar="REGPROXY_CACHE_DIR", help="Where content is kept."
)
@ca_dir_option
@ca_permit_option
@passphrase_option
@click.option(
    "--drain",
    default=f"{DEFAULT_DRAIN:g}s",
    show_default=True,
    envvar="REGPROXY_DRAIN",
    help="How long transfers may go on after SIGTERM, in seconds.",
)
@click.option(
    "--resume",
    is_flag=True,
    envvar="REGPROXY_RESUME",
    help="Run the last good policy when the policy file does not load at start.",
)
def serve_command(
    policy: Path | None,
    listen: tuple[str, ...],
    metrics: str,
    admin: str | None,
    cache_dir: Path | None,
    ca_dir: Path | None,
    ca_permit: tuple[str, ...],
    ca_passphrase_file: Path | None,
    drain: str,
    resume: bool,
) -> None:
    """Run the proxy."""
    directory = cache_dir or default_cache_directory(os.environ)
    settings = ServeSettings(
        policy,
        directory,
        ca_directory(ca_dir),
        ca_permit,
        ca_passphrase_file,
        listen,
        metrics,
        _seconds(drain),
        resume,
        _admin(admin, directory),
    )
    problems = below_floors(installed_versions())
    if problems:
        _fail(*problems)
    prepared = _prepare(settings)
    log = AccessLog(sys.stdout)
    try:
        serve(prepared, log)
    except (OSError, ValueError) as error:
        _fail(f"error: {error}")


def _admin(text: str | None, directory: Path) -> Path | None:
    """The path of the admin socket; a default that is too long for one is none, with a word about it."""
    try:
        return admin_socket(text, directory)
    except ValueError as error:
        if text is not None:
            raise click.BadParameter(str(error), param_hint="--admin") from error
        click.echo(f"warning: no admin socket: {error}", err=True)
        return None


def _seconds(text: str) -> float:
    number = text.removesuffix("s")
    if not (number.isascii() and number.replace(".", "", 1).isdigit()) or float(number) > 3600:
        raise click.BadParameter(f"{text!r} is not a time in seconds up to an hour, such as 8s", param_hint="--drain")
    return float(number)


def _fail(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(1)


def _prepare(settings: ServeSettings) -> Prepared:
    try:
        start, ca = starting(settings, os.environ)
    except RefusedError as refused:
        _fail(*refused.lines)
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        proxy_sockets = bind_all(settings.listen)
        metrics_sockets = bind_all((settings.metrics,))
    except ValueError as error:
        raise click.UsageError(f"{error}; write host:port") from error
    except OSError as error:
        _fail(f"error: {error}")
        raise
    return Prepared(settings, start, ca, proxy_sockets, metrics_sockets)
