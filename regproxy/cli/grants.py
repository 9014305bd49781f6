"""`regproxy grants ls|revoke`: who may be served what the running proxy has stored."""

import json
import sys
import time
from typing import Any

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.options import json_option
from regproxy.cli.table import columns, span
from regproxy.policy.diagnostic import visible


@click.group("grants")
def grants_group() -> None:
    """Who may be served what is stored."""


@grants_group.command("ls", short_help="Who may read what, and since when.")
@click.argument("repository", required=False, default="")
@admin_option
@json_option
def ls(repository: str, admin: str | None, as_json: bool) -> None:
    """What strangers may read, lent credentials, and callers with a login, with when the registry last said so."""
    told: dict[str, Any] = call(admin, "GET", "/grants", {"repository": repository})
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    now = time.time()
    everyone = [{**one, "name": "anyone"} for one in told["public"]]
    rows = [
        (visible(one["repository"]), visible(one["name"]), one.get("identity", ""), f"{span(now - one['at'])} ago")
        for one in (*everyone, *told["lent"], *told["own"])
    ]
    click.echo(columns(("REPOSITORY", "WHO", "IDENTITY", "ASKED"), rows))


@grants_group.command("revoke", short_help="Take grants back.")
@click.argument("repository", required=False, default="")
@click.option("--identity", default="", help="Only this caller, by the digits that `ls` shows.")
@admin_option
@json_option
def revoke(repository: str, identity: str, admin: str | None, as_json: bool) -> None:
    """Take grants back: the registry is asked again for whoever comes next; exit 1 when there was none."""
    told: dict[str, Any] = call(admin, "POST", "/grants/revoke", {"repository": repository, "identity": identity})
    click.echo(json.dumps(told) if as_json else f"{told['revoked']} revoked")
    if not told["revoked"]:
        sys.exit(1)
