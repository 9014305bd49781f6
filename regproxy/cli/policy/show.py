"""`regproxy policy show`: the policy as it runs."""

import json
import sys
from pathlib import Path

import click

from regproxy.cli.policy.given import POLICY_PATH, json_option, paint, running
from regproxy.policy.diagnostic import render
from regproxy.policy.redaction import redacted
from regproxy.policy.show import as_object, show


@click.command("show")
@click.argument("file", required=False, type=POLICY_PATH)
@click.option("--redact", is_flag=True, help="Put hashes for hosts, repositories and other names, to show it around.")
@json_option
def show_command(file: Path | None, redact: bool, as_json: bool) -> None:
    """Show a policy FILE as it runs; without one, the policy that `serve` would run here.

    Includes are taken in, names resolved, defaults merged into each tier, ports written out. What is printed is a
    policy that decides the same. A redacted name is the same hash everywhere: readers do not see it, but who guesses
    it can check the guess.
    """
    sentence, loaded = running(file)
    if loaded.policy is None:
        for diagnostic in loaded.diagnostics:
            click.echo(render(diagnostic, paint()), err=True)
        sys.exit(1)
    policy = redacted(loaded.policy) if redact else loaded.policy
    if as_json:
        click.echo(json.dumps(as_object(policy), indent=2))
    else:
        click.echo(show(policy) if redact else f"# {sentence}\n{show(policy)}", nl=False)
