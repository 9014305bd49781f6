"""`regproxy ca issue`: a certificate by this CA for something else, or a request to another CA for a host of ours."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import click

from regproxy.cli.ca import ca_dir_option, ca_directory, passphrase_option, requested
from regproxy.cli.options import json_option
from regproxy.cli.sentence import sentence
from regproxy.model.address import canonical_host
from regproxy.model.leaf import NotValidNow
from regproxy.tls.authority import load
from regproxy.tls.placing import CERTIFICATE_SUFFIX, KEY_SUFFIX, write_file
from regproxy.tls.requests import file_stem, request_leaf

DEFAULT_DAYS = 90
MAX_DAYS = 825
_SUFFIXES = {"key": KEY_SUFFIX, "certificate": CERTIFICATE_SUFFIX}


def _names(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(
            ("*." if value.startswith("*.") else "") + canonical_host(value.removeprefix("*.")) for value in values
        )
    except ValueError as error:
        raise click.BadParameter(f"{error}; give hosts, without port") from error


@click.command("issue")
@click.argument("names", nargs=-1, required=True, callback=_names, metavar="NAME...")
@click.option("--csr", is_flag=True, help="Make a request to another CA, for hosts that this one does not permit.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="here",
    help="Where to write.",
)
@click.option(
    "--days", type=click.IntRange(1, MAX_DAYS), default=DEFAULT_DAYS, show_default=True, help="How long it is valid."
)
@ca_dir_option
@passphrase_option
@json_option
def issue(
    names: tuple[str, ...],
    csr: bool,
    out: Path,
    days: int,
    ca_dir: Path | None,
    ca_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Issue a certificate for NAMEs, signed by this CA: for the registry behind the proxy, a dashboard, a mirror.

    With --csr, a key and a request go into the CA directory's folder `leaves` instead. Have a CA sign it that clients
    trust already, put the certificate and its chain beside it as NAME.crt, and the proxy uses it for these hosts.
    """
    directory = ca_directory(ca_dir)
    try:
        if csr:
            path = request_leaf(directory, names)
            answer = path.with_suffix(CERTIFICATE_SUFFIX)
            words = f"request   {path}\nHave it signed, then put certificate and chain into {answer}."
            click.echo(requested(path, answer) if as_json else words)
            return
        ca = load(directory, ca_passphrase_file)
        closed = [name for name in names if not ca.permits(name)]
        if closed:
            raise ValueError(
                f"the CA {ca.path} does not permit {', '.join(closed)}: clients would refuse the certificate; ask "
                "another CA by --csr, or make the next one permit it: "
                f"regproxy ca rotate --prepare --ca-permit {closed[0]}"
            )
        certificate, key = ca.certify(names, time.time(), days * 86400.0)
        stem = file_stem(names[0])
        paths = {what: out / f"{stem}{suffix}" for what, suffix in _SUFFIXES.items()}
        write_file(paths["key"], key, 0o600)
        write_file(paths["certificate"], certificate, 0o644)
        words = "\n".join(f"wrote     {path}" for path in paths.values())
        click.echo(json.dumps({what: str(path) for what, path in paths.items()}) if as_json else words)
    except (ValueError, OSError, NotValidNow) as error:
        raise click.ClickException(sentence(error)) from error
