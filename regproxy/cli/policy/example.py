"""`regproxy policy example`: the packaged policies, to copy and go on from."""

import click

from regproxy.policy.diagnostic import nearest
from regproxy.settings.packaged import packaged_source, policies_directory


@click.command("example")
@click.argument("name", required=False)
def example_command(name: str | None) -> None:
    """Print the packaged policy NAME with its comments and tests; without one, list them."""
    names = sorted(path.stem for path in policies_directory().glob("*.policy"))
    if name is None:
        for one in names:
            click.echo(f"{one:<12}{_purpose(one)}")
    elif name in names:
        click.echo(packaged_source(name).text, nl=False)
    else:
        raise click.UsageError(f"there is no packaged policy {name[:40]!r}; {nearest(name, names)}")


def _purpose(name: str) -> str:
    """The first sentence of the comment on top."""
    lines = packaged_source(name).text.splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in lines[: lines.index("policy 1;")])
    return comment.partition(". ")[0].removesuffix(".")
