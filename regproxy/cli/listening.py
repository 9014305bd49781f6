"""How `regproxy serve` is reached beside its plain port, inside TLS and through balancers, by how many, and IPv6."""

import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import click

from regproxy.model.address import Network, canonical_host
from regproxy.settings.serve import TlsSettings, default_ipv6


class Listening(TypedDict):
    """The options, as click gives them."""

    listen_tls: tuple[str, ...]
    tls_name: str | None
    tls_certificate: Path | None
    tls_key: Path | None
    proxy_protocol_from: tuple[Network, ...]
    max_connections: int | None
    max_connections_per_client: int | None
    ipv6: str | None


def _network(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write an address or a range like 10.0.0.0/8") from error


def _name(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    try:
        return None if text is None else canonical_host(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "--listen-tls",
        multiple=True,
        envvar="REGPROXY_LISTEN_TLS",
        help="Address where clients speak TLS with the proxy itself (https:// in HTTPS_PROXY); repeatable.",
    ),
    click.option(
        "--tls-name",
        metavar="HOST",
        callback=_name,
        envvar="REGPROXY_TLS_NAME",
        help="The proxy's name in its certificate for --listen-tls, by its CA. [default: the machine's name]",
    ),
    click.option(
        "--tls-certificate", type=_FILE, envvar="REGPROXY_TLS_CERTIFICATE", help="Another certificate for it, PEM."
    ),
    click.option("--tls-key", type=_FILE, envvar="REGPROXY_TLS_KEY", help="The key of that certificate, PEM."),
    click.option(
        "--proxy-protocol-from",
        multiple=True,
        metavar="CIDR",
        callback=_network,
        envvar="REGPROXY_PROXY_PROTOCOL_FROM",
        help="Balancers that say for whom they connect, by the PROXY protocol, and must; repeatable.",
    ),
    click.option(
        "--max-connections",
        type=click.IntRange(1),
        show_default="as many as the open files of the process allow",
        envvar="REGPROXY_MAX_CONNECTIONS",
        help="Clients' connections at once; more wait.",
    ),
    click.option(
        "--max-connections-per-client",
        type=click.IntRange(1),
        show_default="half of all",
        envvar="REGPROXY_MAX_CONNECTIONS_PER_CLIENT",
        help="Connections at once from one address, or one IPv6 /64; more are turned away.",
    ),
    click.option(
        "--ipv6",
        type=click.Choice(["on", "off"]),
        envvar="REGPROXY_IPV6",
        help="Whether registries and tunnels are dialled by IPv6, too. [default: on]",
    ),
)


def listening_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `serve`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def listening_settings(
    listen_tls: tuple[str, ...],
    tls_name: str | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    proxy_protocol_from: tuple[Network, ...],
    max_connections: int | None,
    max_connections_per_client: int | None,
    ipv6: str | None,
) -> tuple[tuple[str, ...], TlsSettings, tuple[Network, ...], int | None, int | None, bool]:
    """What they mean together; raises UsageError where they do not."""
    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate and --tls-key belong together: give both, or neither")
    if not listen_tls and (tls_name is not None or tls_certificate is not None):
        raise click.UsageError("--tls-name and --tls-certificate are for --listen-tls: give an address to listen on")
    name = tls_name or socket.gethostname().lower() if listen_tls else ""
    tls = TlsSettings(name, tls_certificate, tls_key)
    dials = default_ipv6(os.environ) if ipv6 is None else ipv6 == "on"
    return listen_tls, tls, proxy_protocol_from, max_connections, max_connections_per_client, dials
