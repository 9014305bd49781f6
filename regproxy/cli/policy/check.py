"""`regproxy policy check`: every finding of a policy in one run."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from regproxy.cli.ca import ca_dir_option, passphrase_option
from regproxy.cli.policy.given import POLICY_PATH, finding, json_option, load_named, running
from regproxy.policy.cover import uncovered
from regproxy.policy.diagnostic import render
from regproxy.policy.load import Loaded
from regproxy.settings.directories import default_ca_directory
from regproxy.tls.authority import load as load_ca
from regproxy.tls.constraints import as_address


@click.command("check")
@click.argument("files", nargs=-1, type=POLICY_PATH)
@ca_dir_option
@passphrase_option
@json_option
def check_command(files: tuple[Path, ...], ca_dir: Path | None, ca_passphrase_file: Path | None, as_json: bool) -> None:
    """Check policy FILES; without one, the policy that `serve` would run here.

    Prints every finding; exit 1 when one of them is an error. Hosts that the CA does not cover count too; where
    there is no CA yet, the one that a first start makes counts.
    """
    permits = _permits(ca_dir or default_ca_directory(os.environ), ca_passphrase_file)
    read = [(str(path), load_named(path)) for path in files] or [running(None)]
    checked = [(name, _covered(one, permits)) for name, one in read]
    if as_json:
        findings = [finding(diagnostic) for _, loaded in checked for diagnostic in loaded.diagnostics]
        click.echo(json.dumps({"ok": _all_right(checked), "findings": findings}, indent=2))
    else:
        for name, loaded in checked:
            for diagnostic in loaded.diagnostics:
                click.echo(render(diagnostic))
            click.echo(_summary(name, loaded))
    sys.exit(0 if _all_right(checked) else 1)


def _permits(directory: Path, passphrase_file: Path | None) -> Callable[[str], bool]:
    """What the CA may sign for; one that does not exist yet will cover every name that the policy has."""
    try:
        return load_ca(directory, time.time(), passphrase_file).permits
    except FileNotFoundError:
        return lambda host: as_address(host) is None
    except (OSError, ValueError) as error:
        click.echo(f"warning: the CA is not looked at: {error}", err=True)
        return lambda _: True


def _covered(loaded: Loaded, permits: Callable[[str], bool]) -> Loaded:
    """The same with what the CA does not cover."""
    if loaded.policy is None:
        return loaded
    outside = uncovered(loaded.policy, permits)
    return Loaded(None, (*loaded.diagnostics, *outside)) if outside else loaded


def _all_right(checked: Iterable[tuple[str, Loaded]]) -> bool:
    return all(loaded.policy is not None for _, loaded in checked)


def _summary(name: str, loaded: Loaded) -> str:
    errors = len(loaded.errors)
    warnings = len(loaded.diagnostics) - errors
    if not loaded.diagnostics:
        return f"{name}: ok"
    return f"{name}: {_count(errors, 'error')}, {_count(warnings, 'warning')}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
