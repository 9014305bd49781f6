"""`regproxy completion`: what a shell needs to complete commands and flags."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the completion for a shell.

    For bash: `eval "$(regproxy completion bash)"` in ~/.bashrc; zsh the same in ~/.zshrc; for fish into
    ~/.config/fish/completions/regproxy.fish.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this click knows no {shell}")
    click.echo(found(context.find_root().command, {}, "regproxy", "_REGPROXY_COMPLETE").source())
