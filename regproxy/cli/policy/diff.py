"""`regproxy policy diff`: what changes from one policy to another, in what the proxy does."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from regproxy.cli.policy.given import POLICY_PATH, json_option, load_named, paint
from regproxy.policy.diagnostic import render, visible
from regproxy.policy.policy import Policy
from regproxy.rehearsal.difference import Difference, difference

CHANGED = 3


@click.command("diff")
@click.argument("old", type=POLICY_PATH)
@click.argument("new", type=POLICY_PATH)
@json_option
def diff_command(old: Path, new: Path, as_json: bool) -> None:
    """Compare what two policies do: requests, connections and settings, each difference with an example.

    Exit 0 when both are proved to do the same, 3 when something changes or could not be decided, 1 when one of them
    does not load.
    """
    found = difference(_loaded(old), _loaded(new))
    click.echo(json.dumps({"equal": found.equal, **asdict(found)}, indent=2) if as_json else _text(found))
    sys.exit(0 if found.equal else CHANGED)


def _loaded(path: Path) -> Policy:
    loaded = load_named(path)
    if loaded.policy is None:
        for diagnostic in loaded.errors:
            click.echo(render(diagnostic, paint()))
        sys.exit(1)
    return loaded.policy


def _text(found: Difference) -> str:
    rows = []
    for change in found.changes:
        rows += [change.subject, f"    old: {change.old}", f"    new: {change.new}", ""]
    rows += [f"renamed, with the same outcome: {old} -> {new}" for old, new in found.renamed]
    rows += [f"not decided: {one}" for one in found.undecided]
    number = len(found.changes)
    rows.append("the same behaviour" if found.equal else f"{number} change{'' if number == 1 else 's'}")
    return "\n".join(visible(row) for row in rows)
