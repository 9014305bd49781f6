"""`regproxy upstream`: how registries stand, a question to one, and not asking one for a while."""

import json
import sys
import time
from typing import Any

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.options import json_option
from regproxy.cli.status import upstreams
from regproxy.cli.table import span
from regproxy.policy.diagnostic import visible


@click.group("upstream")
def upstream_group() -> None:
    """The registries as the running proxy sees them."""


@upstream_group.command("ls", short_help="How each registry stands, and the pulls left.")
@admin_option
@json_option
def ls(admin: str | None, as_json: bool) -> None:
    """Each registry of the policy: failing, limited, blocked or well, and the pulls left."""
    told: dict[str, Any] = call(admin, "GET", "/upstreams", {})
    click.echo(json.dumps(told["upstreams"], indent=2) if as_json else upstreams(told["upstreams"]))


@upstream_group.command("test", short_help="Ask a registry now.")
@click.argument("registry")
@admin_option
@json_option
def test(registry: str, admin: str | None, as_json: bool) -> None:
    """Ask a registry for /v2/ as it is asked for images; exit 1 without an answer."""
    told: dict[str, Any] = call(admin, "POST", "/upstreams/test", {"registry": registry})
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif told["failure"]:
        click.echo(f"{visible(told['authority'])}: {told['failure']}: {visible(told['detail'])}", err=True)
    else:
        click.echo(f"{visible(told['authority'])}: {told['status']} in {told['milliseconds']:g} ms")
    sys.exit(1 if told["failure"] else 0)


@upstream_group.command("block", short_help="Ask a registry nothing for a while.")
@click.argument("registry")
@click.option("--minutes", type=click.IntRange(1, 31 * 1440), default=60, show_default=True, help="For so long.")
@admin_option
@json_option
def block(registry: str, minutes: int, admin: str | None, as_json: bool) -> None:
    """Ask a registry nothing: what is stored is served as if it were away, until a restart at the latest."""
    query = {"registry": registry, "seconds": str(minutes * 60)}
    told: dict[str, Any] = call(admin, "POST", "/upstreams/block", query)
    left = span(told["blocked_until"] - time.time() + 1)
    click.echo(json.dumps(told) if as_json else f"{visible(told['authority'])} is not asked for {left}")


@upstream_group.command("unblock", short_help="Ask a registry again at once.")
@click.argument("registry")
@admin_option
@json_option
def unblock(registry: str, admin: str | None, as_json: bool) -> None:
    """Ask a registry again at once, also where it failed in a row; exit 1 when nothing kept it from being asked."""
    told: dict[str, Any] = call(admin, "POST", "/upstreams/unblock", {"registry": registry})
    if as_json:
        click.echo(json.dumps(told))
    elif told["changed"]:
        click.echo(f"{visible(told['authority'])} is asked again")
    else:
        click.echo(f"{visible(told['authority'])} was neither blocked nor failing", err=True)
    sys.exit(0 if told["changed"] else 1)
