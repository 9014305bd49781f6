"""`regproxy serve`: everything that can fail with a clear message fails here, before a socket answers."""

import os
import socket
import sys
from pathlib import Path
from typing import Unpack

import click

from regproxy.app.activation import activated
from regproxy.app.capacity import claim_descriptors
from regproxy.app.handed import Handed, end_with
from regproxy.app.listeners import Sockets, bind_all
from regproxy.app.serve import Prepared, serve
from regproxy.app.start import RefusedError, starting
from regproxy.app.supervisor import Plan, become
from regproxy.cli.administering import admin_options
from regproxy.cli.ca import ca_dir_option, ca_directory, ca_permit_option, passphrase_option
from regproxy.cli.listening import Listening, listening_options, listening_settings
from regproxy.cli.sentence import sentence
from regproxy.settings.admin import AdminSettings
from regproxy.settings.floors import below_floors
from regproxy.settings.otel import EXTRA, can_send, collector
from regproxy.settings.serve import (
    DEFAULT_DRAIN,
    DEFAULT_LISTEN,
    DEFAULT_METRICS,
    MAX_WORKERS,
    ServeSettings,
    default_workers,
)
from regproxy.telemetry.access_log import AccessLog
from regproxy.telemetry.formats import LOG_FORMATS, log_form
from regproxy.upstream.versions import installed_versions


def _handed(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Handed | None:
    try:
        return None if value is None else Handed.read(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _collector(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if not text:
        return None
    try:
        url = collector(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if not can_send():
        raise click.BadParameter(f"spans cannot be sent by this installation: install {EXTRA}, or do not give it")
    return url


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
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=default_workers,
    show_default="one for each CPU, at most 4",
    envvar="REGPROXY_WORKERS",
    help="Processes that serve clients; 1: everything in one process.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", *LOG_FORMATS]),
    default="auto",
    show_default="human on a terminal, else json",
    envvar="REGPROXY_LOG_FORMAT",
    help="How the log is written; seed: with the fields of rpardini/docker-registry-proxy.",
)
@click.option(
    "--metrics-aliases",
    is_flag=True,
    envvar="REGPROXY_METRICS_ALIASES",
    help="Show Docker Hub's limit under the names of its exporters (dockerhub_limit_…), too.",
)
@click.option(
    "--helper-dir",
    type=click.Path(path_type=Path),
    envvar="REGPROXY_HELPER_DIR",
    help="The directory of the docker credential helpers that `auth helper` may run; no others are run.",
)
@click.option(
    "--otel-endpoint",
    metavar="URL",
    callback=_collector,
    envvar=["REGPROXY_OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    help=f"An OpenTelemetry collector (OTLP over HTTP) that gets a span for each exchange; needs {EXTRA}.",
)
@listening_options
@admin_options
@click.option("--handed", hidden=True, callback=_handed, help="What the parent of the processes hands over.")
def serve_command(
    policy: Path | None,
    listen: tuple[str, ...],
    metrics: str,
    admin: AdminSettings,
    cache_dir: Path,
    ca_dir: Path | None,
    ca_permit: tuple[str, ...],
    ca_passphrase_file: Path | None,
    drain: str,
    resume: bool,
    workers: int,
    log_format: str,
    metrics_aliases: bool,
    helper_dir: Path | None,
    otel_endpoint: str | None,
    handed: Handed | None,
    **listening: Unpack[Listening],
) -> None:
    """Run the proxy."""
    settings = ServeSettings(
        policy,
        cache_dir,
        ca_directory(ca_dir),
        ca_permit,
        ca_passphrase_file,
        listen,
        metrics,
        _seconds(drain),
        resume,
        admin,
        workers,
        *listening_settings(**listening),
        metrics_aliases,
        helper_dir,
        otel_endpoint,
    )
    if handed is not None:
        end_with(handed.parent)
    problems = below_floors(installed_versions())
    if problems:
        _fail(*problems)
    # Edges inherit what their parent claimed.
    claim_descriptors()
    prepared = _prepare(settings, handed)
    form = log_form(log_format, terminal=sys.stdout.isatty())
    if handed is None and workers > 1:
        sockets = prepared.proxy_sockets
        bound = [tuple(s.fileno() for s in some) for some in (sockets.clear, sockets.secured, prepared.metrics_sockets)]
        become(Plan(workers, settings.drain, tuple(sys.argv[1:]), bound[0], bound[1], bound[2], form))
    log = AccessLog(sys.stdout, form)
    try:
        serve(prepared, log)
    except (OSError, ValueError) as error:
        _fail(f"error: {sentence(error)}")


def _seconds(text: str) -> float:
    number = text.removesuffix("s")
    if not (number.isascii() and number.replace(".", "", 1).isdigit()) or float(number) > 3600:
        raise click.BadParameter(f"{text!r} is not a time in seconds up to an hour, such as 8s", param_hint="--drain")
    return float(number)


def _fail(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(1)


def _prepare(settings: ServeSettings, handed: Handed | None) -> Prepared:
    try:
        start, holdings = starting(settings, os.environ)
    except RefusedError as refused:
        _fail(*refused.lines)
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        proxy_sockets, metrics_sockets = _sockets(settings, handed)
        # They are the core's alone: a parent that will start one leaves them to it.
        admin_sockets = bind_all(settings.admin.addresses) if handed is not None or settings.workers == 1 else []
    except ValueError as error:
        raise click.UsageError(f"{error}; write host:port") from error
    except OSError as error:
        _fail(f"error: {sentence(error)}")
        raise
    return Prepared(settings, start, holdings, proxy_sockets, metrics_sockets, admin_sockets, handed)


def _sockets(settings: ServeSettings, handed: Handed | None) -> tuple[Sockets, list[socket.socket]]:
    """The listening sockets of proxy and metrics: those that the parent bound, that systemd did, or new ones."""
    if handed is not None:
        metrics = [socket.socket(fileno=fd) for fd in handed.metrics]
        return Sockets.of(handed.proxy, handed.secured), metrics
    proxy, metrics = activated(os.environ)
    clear, secured = proxy or bind_all(settings.listen), bind_all(settings.listen_tls)
    return Sockets(tuple(clear), tuple(secured)), metrics or bind_all((settings.metrics,))
