"""`regproxy trace`: the last exchanges about an image."""

import json
from collections.abc import Iterator
from typing import Any

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.options import json_option
from regproxy.model.brief import exchange
from regproxy.policy.diagnostic import visible


@click.command("trace")
@click.argument("reference", metavar="REF")
@admin_option
@json_option
def trace_command(reference: str, admin: str | None, as_json: bool) -> None:
    """Show the last exchanges about an image: with its clients, and with its registry.

    Credentials, cookies and queries are hidden. The running proxy keeps some exchanges of each repository, in memory.
    """
    found = call(admin, "GET", "/trace", {"ref": reference})
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    exchanges: Any = found["exchanges"]
    if not exchanges:
        click.echo(f"nothing is known of {visible(reference)}: nobody has asked for it of late")
    for one in exchanges:
        click.echo("\n".join(map(visible, _lines(one))))


def _lines(one: dict[str, Any]) -> Iterator[str]:
    yield exchange(one)
    yield from (f"    > {name}: {value}" for name, value in one.get("request", ()))
    yield from (f"    < {name}: {value}" for name, value in one.get("answer", ()))
