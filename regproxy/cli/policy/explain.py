"""`regproxy policy explain`: what the policy does with a request, tier by tier."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from regproxy.cli.policy.given import POLICY_PATH, json_option, running
from regproxy.policy.diagnostic import render as render_diagnostic
from regproxy.rehearsal.explain import Explanation, connect_in_words, decision_in_words, explain
from regproxy.rehearsal.explain import render as render_explanation
from regproxy.rehearsal.reference import rehearse
from regproxy.tls.constraints import as_address

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and as_address(value) is None:
        raise click.BadParameter(f"{value!r} is no address")
    return value


@click.command("explain")
@click.argument("request_for", metavar="REF|URL")
@click.option(
    "--policy", type=POLICY_PATH, envvar="REGPROXY_POLICY", help="The policy file. [default: what `serve` would run]"
)
@click.option("--method", type=click.Choice(_METHODS), default="GET", show_default=True, help="The request's method.")
@click.option("--client", default="", metavar="ADDRESS", callback=_address, help="The client's address.")
@json_option
def explain_command(request_for: str, policy: Path | None, method: str, client: str, as_json: bool) -> None:
    """Explain what the policy does with an image reference or a URL, tier by tier."""
    _, loaded = running(policy)
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
