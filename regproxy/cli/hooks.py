"""`regproxy hooks`: what to tell registries, so that a push is seen at the next pull."""

import json
from pathlib import Path

import click

from regproxy.admin.hooks import HOOKS, hook_secret
from regproxy.admin.pushed import SENDERS
from regproxy.cli.administering import TOKEN_FILE_HELP, token_of
from regproxy.cli.options import json_option


@click.command("hooks")
@click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
    envvar="REGPROXY_ADMIN_TOKEN_FILE",
    required=True,
    help=TOKEN_FILE_HELP,
)
@json_option
def hooks_command(admin_token_file: Path, as_json: bool) -> None:
    """The paths for webhooks of registries, and their secret: it expires tags, and is good for nothing else.

    Send it as the sender can: `Authorization: Bearer SECRET`, GitLab's secret token, GitHub's webhook secret, or, where
    there is only a URL, as `?token=SECRET`. `?registry=HOST` says what clients call the registry, if it does not know.
    """
    secret = hook_secret(token_of(admin_token_file))
    paths = {sender: f"{HOOKS}{sender}" for sender in SENDERS}
    if as_json:
        click.echo(json.dumps({"secret": secret, "paths": paths}))
        return
    click.echo(f"secret {secret}")
    for sender, path in paths.items():
        click.echo(f"{sender:12}  {path}")
