"""`regproxy policy example`: the packaged policies, to copy and go on from."""

import json

import click

from regproxy.cli.options import json_option
from regproxy.policy.diagnostic import nearest
from regproxy.settings.packaged import packaged_source, policies_directory


@click.command("example")
@click.argument("name", required=False)
@json_option
def example_command(name: str | None, as_json: bool) -> None:
    """Print the packaged policy NAME with its comments and tests; without one, list them."""
    names = sorted(path.stem for path in policies_directory().glob("*.policy"))
    if name is not None and name not in names:
        raise click.UsageError(f"there is no packaged policy {name[:40]!r}; {nearest(name, names)}")
    listed = [{"name": one, "purpose": _purpose(one)} for one in names]
    if name is None:
        lines = "\n".join(f"{one['name']:<12}{one['purpose']}" for one in listed)
        click.echo(json.dumps(listed, indent=2) if as_json else lines)
    else:
        text = packaged_source(name).text
        told = {"name": name, "purpose": _purpose(name), "text": text}
        click.echo(f"{json.dumps(told, indent=2)}\n" if as_json else text, nl=False)


def _purpose(name: str) -> str:
    """The first sentence of the comment on top."""
    lines = packaged_source(name).text.splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in lines[: lines.index("policy 1;")])
    return comment.partition(". ")[0].removesuffix(".")
