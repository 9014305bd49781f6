"""What the commands about policies share: which policy is meant, and findings as JSON."""

import os
from pathlib import Path

import click

from regproxy.policy.diagnostic import Diagnostic
from regproxy.policy.load import Loaded
from regproxy.settings.choose import choose_policy, load_file

POLICY_PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def finding(diagnostic: Diagnostic) -> dict[str, object]:
    """A finding as a JSON object."""
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "file": diagnostic.span.source.name,
        "line": diagnostic.span.line,
        "column": diagnostic.span.column,
        "sentence": diagnostic.sentence,
        "note": diagnostic.note,
        "help": diagnostic.help,
    }


def load_named(path: Path) -> Loaded:
    """Load a file that was named on the command line; one that cannot be read is a usage error."""
    try:
        return load_file(path)
    except OSError as error:
        raise click.UsageError(str(error)) from error


def running(path: Path | None) -> tuple[str, Loaded]:
    """The policy that would run here, and the sentence that says which it is."""
    try:
        chosen = choose_policy(path, os.environ)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    for warning in chosen.warnings:
        click.echo(f"warning: {warning}", err=True)
    return chosen.sentence, chosen.loaded
