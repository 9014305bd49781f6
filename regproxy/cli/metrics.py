"""`regproxy metrics`: what `/metrics` of this version serves."""

import json

import click

from regproxy.telemetry.reference import markdown, objects


@click.command("metrics")
@click.option("--markdown", "as_markdown", is_flag=True, help="As the page docs/metrics.md.")
@click.option("--json", "as_json", is_flag=True, help="As a list of objects.")
def metrics_command(as_markdown: bool, as_json: bool) -> None:
    """List the metrics, with types, labels and meaning."""
    if as_markdown and as_json:
        raise click.UsageError("--markdown and --json are two ways to say the same: choose one")
    if as_markdown:
        click.echo(markdown(), nl=False)
    elif as_json:
        click.echo(json.dumps(objects(), indent=2))
    else:
        for metric in objects():
            click.echo(f"{metric['name']}  {metric['type']}\n    {metric['help']}")
