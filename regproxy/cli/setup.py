"""`regproxy setup`: what sets a platform up, as the proxy's own pages have it."""

import json
import socket
import time
from pathlib import Path

import click

from regproxy.cli.ca import ca_dir_option, ca_directory, chosen_policy, passphrase_option
from regproxy.cli.options import json_option
from regproxy.cli.sentence import sentence
from regproxy.model.address import Authority, parse_authority
from regproxy.setup.facts import Facts, probe
from regproxy.setup.platforms import PLATFORMS
from regproxy.tls.directory import read_holdings

DEFAULT_PORT = 3128
_NAMES = {one.name: one for one in PLATFORMS}


def _proxy(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Authority:
    try:
        return parse_authority(value or socket.getfqdn(), DEFAULT_PORT)
    except ValueError as error:
        raise click.BadParameter(f"{error}; name the host that clients reach the proxy by") from error


@click.command("setup")
@click.argument("platform", type=click.Choice(list(_NAMES)))
@click.option(
    "--proxy",
    callback=_proxy,
    envvar="REGPROXY_PROXY",
    metavar="HOST[:PORT]",
    help="Where clients reach the proxy. [default: this machine's name, port 3128]",
)
@ca_dir_option
@passphrase_option
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    envvar="REGPROXY_POLICY",
    help="Its first registry is tried at the end. [default: the packaged policy]",
)
@json_option
def setup_command(
    platform: str,
    proxy: Authority,
    ca_dir: Path | None,
    ca_passphrase_file: Path | None,
    policy: Path | None,
    as_json: bool,
) -> None:
    """Print the script or file that lets a platform pull through the proxy.

    The running proxy serves the same under http://HOST:PORT/setup/PLATFORM.
    """
    try:
        holdings = read_holdings(ca_directory(ca_dir), ca_passphrase_file)
    except (ValueError, OSError) as error:
        raise click.ClickException(sentence(error)) from error
    certificates = holdings.bundle(time.time()).decode("ascii")
    facts = Facts(proxy, certificates, holdings.ca.fingerprint, probe(chosen_policy(policy).registries))
    one = _NAMES[platform]
    told = {"platform": one.name, "title": one.title, "command": one.command(facts), "text": one.text(facts)}
    click.echo(f"{json.dumps(told, indent=2)}\n" if as_json else told["text"], nl=False)
