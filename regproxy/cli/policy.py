"""`regproxy policy`: check policy files, and explain what a policy does with a request."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import click

from regproxy.cli.ca import ca_dir_option, passphrase_option
from regproxy.policy.cover import uncovered
from regproxy.policy.diagnostic import Diagnostic
from regproxy.policy.diagnostic import render as render_diagnostic
from regproxy.policy.load import Loaded
from regproxy.rehearsal.explain import Explanation, connect_in_words, decision_in_words, explain
from regproxy.rehearsal.explain import render as render_explanation
from regproxy.rehearsal.reference import rehearse
from regproxy.settings.choose import choose_policy, load_file
from regproxy.settings.directories import default_ca_directory
from regproxy.tls.authority import load as load_ca
from regproxy.tls.constraints import as_address

_PATH = click.Path(path_type=Path)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and as_address(value) is None:
        raise click.BadParameter(f"{value!r} is no address")
    return value


@click.group("policy")
def policy_group() -> None:
    """The policy: check it, and ask it what it would do."""


@policy_group.command("check")
@click.argument("files", nargs=-1, type=_PATH)
@ca_dir_option
@passphrase_option
@json_option
def check(files: tuple[Path, ...], ca_dir: Path | None, ca_passphrase_file: Path | None, as_json: bool) -> None:
    """Check policy FILES; without one, the policy that `serve` would run here.

    Prints every finding; exit 1 when one of them is an error. Hosts that the CA does not cover count too; where
    there is no CA yet, the one that a first start makes counts.
    """
    permits = _permits(ca_dir or default_ca_directory(os.environ), ca_passphrase_file)
    read = [(str(path), _load(path)) for path in files] or [_running(None)]
    checked = [(name, _covered(one, permits)) for name, one in read]
    if as_json:
        findings = [finding(diagnostic) for _, loaded in checked for diagnostic in loaded.diagnostics]
        click.echo(json.dumps({"ok": _all_right(checked), "findings": findings}, indent=2))
    else:
        for name, loaded in checked:
            for diagnostic in loaded.diagnostics:
                click.echo(render_diagnostic(diagnostic))
            click.echo(_summary(name, loaded))
    sys.exit(0 if _all_right(checked) else 1)


@policy_group.command("explain")
@click.argument("request_for", metavar="REF|URL")
@click.option(
    "--policy", type=_PATH, envvar="REGPROXY_POLICY", help="The policy file. [default: what `serve` would run]"
)
@click.option("--method", type=click.Choice(_METHODS), default="GET", show_default=True, help="The request's method.")
@click.option("--client", default="", metavar="ADDRESS", callback=_address, help="The client's address.")
@json_option
def explain_command(request_for: str, policy: Path | None, method: str, client: str, as_json: bool) -> None:
    """Explain what the policy does with an image reference or a URL, tier by tier."""
    _, loaded = _running(policy)
    if loaded.policy is None:
        for diagnostic in loaded.diagnostics:
            click.echo(render_diagnostic(diagnostic))
        sys.exit(1)
    try:
        rehearsed = rehearse(loaded.policy, request_for, method, client)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    explanation = explain(loaded.policy, rehearsed)
    click.echo(json.dumps(_object(explanation), indent=2) if as_json else render_explanation(explanation), nl=as_json)


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


def _load(path: Path) -> Loaded:
    try:
        return load_file(path)
    except OSError as error:
        raise click.UsageError(str(error)) from error


def _running(path: Path | None) -> tuple[str, Loaded]:
    """The policy that would run here, and the sentence that says which it is."""
    try:
        chosen = choose_policy(path, os.environ)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    for warning in chosen.warnings:
        click.echo(f"warning: {warning}", err=True)
    return chosen.sentence, chosen.loaded


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


def _object(explanation: Explanation) -> dict[str, object]:
    rehearsed = explanation.rehearsed
    return {
        "authority": str(rehearsed.authority),
        "target": rehearsed.target,
        "method": rehearsed.method,
        "request": asdict(rehearsed.request) if rehearsed.request is not None else None,
        "connect": connect_in_words(explanation.connect),
        "tiers": [
            {
                "tier": trial.tier,
                "place": trial.place,
                "matched": trial.matched,
                "tests": [{"test": written, "passed": passed} for written, passed in trial.tests],
            }
            for trial in explanation.trials
        ],
        "decision": decision_in_words(explanation.decision) if explanation.decision is not None else None,
        "note": rehearsed.note,
    }
