"""`regproxy policy from-env`: the seed's environment variables as the policy that they mean."""

import json
import os

import click

from regproxy.cli.policy.given import json_option
from regproxy.settings.quoting import unquoted
from regproxy.settings.seed import TRIGGERS, seed_policy


@click.command("from-env")
@json_option
def from_env_command(as_json: bool) -> None:
    """Print the policy that the seed's variables mean here, the one `serve` would run.

    Warnings go to standard error. Exit 2 when a variable is wrong, 1 when none of them is set.
    """
    try:
        seed = seed_policy(unquoted(os.environ))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if seed is None:
        names = f"{', '.join(TRIGGERS)} and MANIFEST_CACHE_*"
        raise click.ClickException(
            f"none of {names} is set, so `serve` runs the packaged default policy; `regproxy policy show` prints that"
        )
    if os.environ.get("REGPROXY_POLICY"):
        click.echo("warning: REGPROXY_POLICY is set: `serve` runs that file and not this policy", err=True)
    if as_json:
        report = {"policy": seed.text, "variables": seed.variables, "warnings": seed.warnings}
        click.echo(json.dumps(report, indent=2))
        return
    for warning in seed.warnings:
        click.echo(f"warning: {warning}", err=True)
    if seed.passwords:
        names = ", ".join(seed.passwords)
        click.echo(f"note: no password is printed: `serve --policy` wants them in {names}, or in files", err=True)
    click.echo(seed.text, nl=False)
