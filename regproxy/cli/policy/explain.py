"""`regproxy policy explain`: what the policy does with a request, tier by tier."""

import json
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from regproxy.cli.admin import admin_option, call
from regproxy.cli.policy.given import POLICY_PATH, json_option, paint, running
from regproxy.model.decision import FailureClass
from regproxy.policy.diagnostic import render as render_diagnostic
from regproxy.policy.literals import parse_duration
from regproxy.policy.scenario import Circumstances, Stored, Working
from regproxy.policy.schema import METHODS
from regproxy.rehearsal.explain import explain
from regproxy.rehearsal.explain import render as render_explanation
from regproxy.rehearsal.happening import happen
from regproxy.rehearsal.outlook import as_object, outlook, render_outlook
from regproxy.rehearsal.reference import rehearse
from regproxy.tls.constraints import as_address

_UPSTREAM = (*(str(one) for one in Working), *(str(one) for one in FailureClass))


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and as_address(value) is None:
        raise click.BadParameter(f"{value!r} is no address")
    return value


def _age(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Stored | None:
    if value is None:
        return None
    try:
        return Stored(parse_duration(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _upstream(_context: click.Context, _parameter: click.Parameter, value: str) -> Working | FailureClass | int:
    if value in tuple(Working):
        return Working(value)
    if value in tuple(FailureClass):
        return FailureClass(value)
    if value.isascii() and value.isdigit() and 400 <= int(value) <= 599:
        return int(value)
    raise click.BadParameter(f"{value!r} is none of {', '.join(_UPSTREAM)} or a status from 400 to 599")


@click.command("explain")
@click.argument("request_for", metavar="REF|URL")
@click.option("--policy", type=POLICY_PATH, help="The policy file. [default: what `serve` would run]")
@click.option("--method", type=click.Choice(METHODS), default="GET", show_default=True, help="The request's method.")
@click.option("--client", default="", metavar="ADDRESS", callback=_address, help="The client's address.")
@click.option("--user", default="", metavar="NAME", help="The user of the proxy that the client proved to be.")
@click.option(
    "--stored-age", "stored", metavar="TIME", callback=_age, help="As if it were stored, and validated so long ago."
)
@click.option(
    "--upstream",
    default=str(Working.SAME),
    show_default=True,
    metavar="WHAT",
    callback=_upstream,
    help=f"What the registry does: {' '.join(_UPSTREAM)}, or a status such as 429.",
)
@click.option("--live", is_flag=True, help="Ask the running proxy: its policy, and what it has stored.")
@admin_option
@json_option
def explain_command(
    request_for: str,
    policy: Path | None,
    method: str,
    client: str,
    user: str,
    stored: Stored | None,
    upstream: Working | FailureClass | int,
    live: bool,
    admin: str | None,
    as_json: bool,
) -> None:
    """Explain what the policy does with an image reference or a URL, and what would happen now.

    Every tier that is tried is shown with the tests that decide; then how the client is answered and why, and how
    long that lasts. Nothing is sent to a registry, and only --live looks into the cache.
    """
    if live:
        asked = {"ref": request_for, "method": method, "client": client, "user": user}
        _explain_live(asked, admin, as_json=as_json)
        return
    _, loaded = running(policy)
    if loaded.policy is None:
        for diagnostic in loaded.diagnostics:
            click.echo(render_diagnostic(diagnostic, paint()))
        sys.exit(1)
    try:
        rehearsed = rehearse(loaded.policy, request_for, method, client, user)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    given = Circumstances(stored, upstream)
    explanation, happening = explain(loaded.policy, rehearsed), happen(loaded.policy, rehearsed, given)
    told = outlook(explanation, happening, given)
    if as_json:
        click.echo(json.dumps(as_object(explanation, happening, told), indent=2))
    else:
        click.echo(render_explanation(explanation) + (render_outlook(told) if told is not None else ""), nl=False)


def _explain_live(asked: dict[str, str], admin: str | None, *, as_json: bool) -> None:
    context = click.get_current_context()
    for name in ("policy", "stored", "upstream"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError("--live takes the policy and what is stored from the running proxy")
    found = call(admin, "GET", "/explain", asked)
    text = found.pop("text", "")
    click.echo(json.dumps(found, indent=2) if as_json else text, nl=as_json)
