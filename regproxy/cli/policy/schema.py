"""`regproxy policy schema`: the language itself, for people, tools and editors."""

import json

import click

from regproxy.cli.policy.given import json_option
from regproxy.policy.manual import as_object, manual
from regproxy.policy.textmate import textmate


@click.command("schema")
@json_option
@click.option("--textmate", "as_textmate", is_flag=True, help="Print a TextMate grammar for editors.")
def schema_command(as_json: bool, as_textmate: bool) -> None:
    """Show the whole language: blocks, directives, defaults, types, units, attributes and operators."""
    if as_json and as_textmate:
        raise click.UsageError("--json and --textmate exclude each other")
    if as_textmate:
        click.echo(json.dumps(textmate(), indent=2))
    elif as_json:
        click.echo(json.dumps(as_object(), indent=2))
    else:
        click.echo(manual(), nl=False)
