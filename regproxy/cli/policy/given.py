"""What the commands about policies share: which policy is meant, and how findings look."""

import os
import sys
from pathlib import Path

import click

from regproxy.cli.sentence import sentence
from regproxy.policy.diagnostic import Paint, plain
from regproxy.policy.load import Loaded
from regproxy.settings.choose import choose_policy, load_file

POLICY_PATH = click.Path(path_type=Path)
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan", "place": "blue", "caret": "red"}
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def paint() -> Paint:
    """Colours where standard output is a terminal and nobody asked for none (https://no-color.org)."""
    return _coloured if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else plain


def _coloured(style: str, text: str) -> str:
    return click.style(text, bold=style != "place", fg=_COLOURS.get(style))


def load_named(path: Path) -> Loaded:
    """Load a file that was named on the command line; one that cannot be read is a usage error."""
    try:
        return load_file(path)
    except OSError as error:
        raise click.UsageError(sentence(error)) from error


def running(path: Path | None) -> tuple[str, Loaded]:
    """The policy that would run here, and the sentence that says which it is; `path` where one was named."""
    if path is None and (named := os.environ.get("REGPROXY_POLICY")):
        path = Path(named)
    try:
        chosen = choose_policy(path, os.environ)
    except (OSError, ValueError) as error:
        raise click.UsageError(sentence(error)) from error
    for warning in chosen.warnings:
        click.echo(f"warning: {warning}", err=True)
    return chosen.sentence, chosen.loaded
