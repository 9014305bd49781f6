"""`regproxy ca rotate`: another CA, without a moment in which clients meet one that they do not trust."""

import datetime
import json
import time
from pathlib import Path
from typing import Literal, assert_never

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.ca import ca_dir_option, ca_directory, ca_permit_option, chosen_policy, passphrase_option
from regproxy.cli.sentence import sentence
from regproxy.policy.cover import uncovered
from regproxy.policy.diagnostic import in_brief
from regproxy.policy.policy import Policy
from regproxy.tls.registries import names_to_permit
from regproxy.tls.rotation import Rotation, Stage, abort, activate, finish, prepare, rotation

Step = Literal["prepare", "status", "activate", "abort", "finish"]
_SOON = "A running proxy takes that in within seconds."


@click.command("rotate")
@click.option("--prepare", "step", flag_value="prepare", help="Make the next CA; /ca.crt hands out both from then on.")
@click.option("--status", "step", flag_value="status", default=True, help="Say how far it is. [default]")
@click.option("--activate", "step", flag_value="activate", help="Let the next CA sign; both are still handed out.")
@click.option(
    "--abort", "step", flag_value="abort", help="Go back a step: the former CA signs, or the next is deleted."
)
@click.option("--finish", "step", flag_value="finish", help="Hand out the former CA no longer, and delete its key.")
@ca_dir_option
@ca_permit_option
@click.option(
    "--policy", type=click.Path(path_type=Path), envvar="REGPROXY_POLICY", help="The policy that the CA must cover."
)
@passphrase_option
@admin_option
@click.option("--json", "as_json", is_flag=True, help="Print the status as one JSON object.")
def rotate(
    step: Step,
    ca_dir: Path | None,
    ca_permit: tuple[str, ...],
    policy: Path | None,
    ca_passphrase_file: Path | None,
    admin: str | None,
    as_json: bool,
) -> None:
    """Rotate the CA: --prepare, have clients trust what /ca.crt hands out, --activate, and in the end --finish.

    A CA of your own is rotated by putting it into the folder `next` of the CA directory instead of --prepare.
    """
    directory = ca_directory(ca_dir)
    try:
        match step:
            case "prepare":
                names = names_to_permit(chosen_policy(policy).registries, ca_permit)
                made = prepare(directory, names, time.time(), ca_passphrase_file)
                click.echo(f"made      {made.fingerprint}\n{_SOON}")
                click.echo("Have clients trust what /ca.crt hands out, which is both; see --status, then --activate.")
            case "status":
                _status(rotation(directory, ca_passphrase_file), admin, as_json=as_json)
            case "activate":
                _check_covered(rotation(directory, ca_passphrase_file), chosen_policy(policy))
                made = activate(directory, time.time(), ca_passphrase_file)
                click.echo(f"signs     {made.fingerprint}\n{_SOON}")
                click.echo("Both are handed out until --finish; --abort goes back.")
            case "abort":
                click.echo(f"signs     {abort(directory, ca_passphrase_file).fingerprint}\n{_SOON}")
            case "finish":
                click.echo(f"signs     {finish(directory, ca_passphrase_file).fingerprint}, alone\n{_SOON}")
            case _:
                assert_never(step)
    except (ValueError, OSError) as error:
        raise click.ClickException(sentence(error)) from error


def _check_covered(found: Rotation, policy: Policy) -> None:
    """Refuse what a start would refuse afterwards; raises ValueError."""
    if found.stage is Stage.PREPARED and found.other is not None:
        missing = in_brief(uncovered(policy, found.other.permits))
        if missing:
            raise ValueError("the next CA does not cover the policy: " + "; ".join(missing))


def _status(found: Rotation, admin: str | None, *, as_json: bool) -> None:
    word = {Stage.PREPARED: "next", Stage.ACTIVATED: "previous"}.get(found.stage, "")
    clients, why_not = {}, "the proxy that answers signs by another CA"
    try:
        clients = call(admin, "GET", "/ca", {})
    except click.ClickException as error:
        why_not = error.message
    known = clients if clients.get("fingerprint") == found.ca.fingerprint else {}
    if as_json:
        other = {word: {"fingerprint": found.other.fingerprint, "since": found.since}} if found.other else {}
        status = {"stage": str(found.stage), "fingerprint": found.ca.fingerprint, **other, "clients": known}
        click.echo(json.dumps(status, indent=2))
        return
    rows = [("stage", str(found.stage)), ("signs", f"{found.ca.fingerprint}, until {_date(found.ca.not_after)}")]
    if found.other is not None and found.since is not None:
        rows.append((word, f"{found.other.fingerprint}, since {_date(found.since)}"))
    rows += _clients(known) if known else [("clients", f"not known: {why_not}")]
    click.echo("\n".join(f"{label:<10}{value}" for label, value in rows))


def _clients(counts: dict[str, object]) -> list[tuple[str, str]]:
    """What the proxy saw; that a client fetched the certificates is no proof that it trusts them."""
    since = _date(float(str(counts["since"])))
    return [
        ("clients", f"since {since}: {counts['accepting']} accepted the CA that signs"),
        ("", f"{counts['refusing']} refused it{_named(counts['refusing_named'])}"),
        ("", f"{counts['fetched']} fetched /ca.crt"),
        ("", f"{counts['unfetched']} pull and did not fetch it{_named(counts['unfetched_named'])}"),
    ]


def _named(names: object) -> str:
    return ": " + ", ".join(map(str, names)) if isinstance(names, list) and names else ""


def _date(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%MZ}"
