"""`regproxy ca`: make the CA that clients will trust, and show the one there is."""

import datetime
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from regproxy.cli.deferred import Deferred, named
from regproxy.cli.options import json_option
from regproxy.cli.sentence import sentence
from regproxy.policy.diagnostic import render
from regproxy.policy.policy import Policy
from regproxy.settings.choose import choose_policy
from regproxy.settings.directories import default_ca_directory
from regproxy.tls.authority import CertificateAuthority, create
from regproxy.tls.constraints import minimal
from regproxy.tls.directory import Holdings, read_holdings
from regproxy.tls.placing import CERTIFICATE_FILE
from regproxy.tls.registries import names_to_permit
from regproxy.tls.requests import request_issuing

_PATH = click.Path(path_type=Path)


def _permit(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    for value in values:
        try:
            minimal([value])
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return tuple(values)


ca_dir_option = click.option(
    "--ca-dir",
    type=_PATH,
    envvar="REGPROXY_CA_DIR",
    help="Directory of ca.crt and ca.key. [default: /ca where mounted, else your state directory]",
)
ca_permit_option = click.option(
    "--ca-permit",
    multiple=True,
    callback=_permit,
    envvar="REGPROXY_CA_PERMIT",
    metavar="NAME",
    help="A further DNS name that a new CA permits, with the names below it; repeatable.",
)
passphrase_option = click.option(
    "--ca-passphrase-file",
    type=_PATH,
    envvar="REGPROXY_CA_PASSPHRASE_FILE",
    help="File with the pass phrase of an encrypted ca.key.",
)


_COMMANDS = (
    Deferred("rotate", "ca_rotate:rotate", "Another CA, without a moment that clients notice."),
    Deferred("issue", "ca_issue:issue", "A certificate by this CA, or a request to another CA."),
)


@click.group("ca", commands=named(_COMMANDS))
def ca_group() -> None:
    """The CA that clients trust."""


@ca_group.command("init", short_help="Make a CA.")
@ca_dir_option
@ca_permit_option
@click.option(
    "--policy", type=_PATH, envvar="REGPROXY_POLICY", help="Permit this policy's hosts. [default: the packaged policy]"
)
@click.option("--csr", is_flag=True, help="Make a key and a request instead, for a CA of yours to sign.")
@json_option
def init(ca_dir: Path | None, ca_permit: tuple[str, ...], policy: Path | None, csr: bool, as_json: bool) -> None:
    """Make a CA, limited to the policy's hosts, the large public registries and --ca-permit.

    Refuses when the directory holds one: clients would have to be told to trust another.
    """
    permits = names_to_permit(chosen_policy(policy).registries, ca_permit)
    directory = ca_directory(ca_dir)
    try:
        if csr:
            request, answer = request_issuing(directory, permits), directory / CERTIFICATE_FILE
            words = f"request   {request}\nHave it signed, then put the certificate and its issuers into {answer}."
            click.echo(requested(request, answer) if as_json else words)
            return
        ca = create(directory, permits, time.time())
    except (ValueError, OSError) as error:
        raise click.ClickException(sentence(error)) from error
    if as_json:
        click.echo(json.dumps(_object(Holdings(ca), ()), indent=2))
        return
    click.echo(_lines(Holdings(ca)))
    click.echo(f"Have clients trust {ca.path}; keep the key beside it to yourself.")


@ca_group.command("show", short_help="Show the CA that a start would use.")
@ca_dir_option
@passphrase_option
@json_option
def show(ca_dir: Path | None, ca_passphrase_file: Path | None, as_json: bool) -> None:
    """Show the CA that a start would use; exit 1 when there is none, or none that can be used now."""
    try:
        holdings = read_holdings(ca_directory(ca_dir), ca_passphrase_file)
    except (ValueError, OSError) as error:
        raise click.ClickException(sentence(error)) from error
    now = time.time()
    warnings = (*holdings.warnings, *holdings.notices(now))
    if as_json:
        click.echo(json.dumps(_object(holdings, warnings), indent=2))
    else:
        click.echo(_lines(holdings))
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
    if holdings.ca.lapse(now) is not None:
        sys.exit(1)


def chosen_policy(policy: Path | None) -> Policy:
    """The policy that a start would choose; one with findings is a failure."""
    try:
        loaded = choose_policy(policy, os.environ).loaded
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(sentence(error)) from error
    if loaded.policy is None:
        raise click.ClickException("\n".join(render(finding) for finding in loaded.diagnostics))
    return loaded.policy


def ca_directory(given: Path | None) -> Path:
    """The directory that --ca-dir or the environment means; a wrong variable is a usage error."""
    if given is not None:
        return given
    try:
        return default_ca_directory(os.environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def requested(request: Path, answer: Path) -> str:
    """A request for another CA to sign, and where its answer belongs, as JSON."""
    return json.dumps({"request": str(request), "certificate": str(answer)})


def _ends(ca: CertificateAuthority) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(ca.not_after, datetime.UTC)


def _object(holdings: Holdings, warnings: Sequence[str]) -> dict[str, object]:
    ca = holdings.ca
    return {
        "file": str(ca.path),
        "subject": ca.subject,
        "fingerprint": ca.fingerprint,
        "constrained": ca.constrained,
        "permitted": list(ca.permitted),
        "not_after": _ends(ca).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "given": {str(given.path): list(given.names) for given in holdings.given},
        "also_trusted": [other.fingerprint for other in holdings.others],
        "warnings": list(warnings),
    }


def _lines(holdings: Holdings) -> str:
    ca = holdings.ca
    names = ca.permitted if ca.constrained else ("any name: this CA has no name constraints",)
    permitted = [("permits" if not index else "", name) for index, name in enumerate(names)]
    rows = [
        ("file", str(ca.path)),
        ("subject", ca.subject),
        ("sha256", ca.fingerprint),
        ("ends", f"{_ends(ca):%Y-%m-%d}"),
        *permitted,
        *(("given", f"{given.path} for {', '.join(given.names)}") for given in holdings.given),
        *(("also", f"{other.fingerprint}, handed out until {_ends(other):%Y-%m-%d}") for other in holdings.others),
    ]
    return "\n".join(f"{label:<9}{value}" for label, value in rows)
