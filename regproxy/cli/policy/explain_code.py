"""`regproxy policy explain-code`: what a finding's code means, in a paragraph."""

import json
import sys

import click

from regproxy.cli.policy.given import json_option
from regproxy.policy.codes import CODES
from regproxy.policy.diagnostic import nearest


@click.command("explain-code")
@click.argument("code", required=False, metavar="[RPnnn]")
@json_option
def explain_code_command(code: str | None, as_json: bool) -> None:
    """Explain a finding's code; without one, list all codes."""
    wanted = [code.upper()] if code else list(CODES)
    if wanted[0] not in CODES:
        raise click.UsageError(
            f"there is no code {wanted[0]!r}; {nearest(wanted[0], CODES) or 'leave it out for a list'}"
        )
    if as_json:
        found = [{"code": one, "title": CODES[one].title, "text": CODES[one].text} for one in wanted]
        click.echo(json.dumps(found, indent=2))
        sys.exit(0)
    for one in wanted:
        click.echo(f"{one}: {CODES[one].title}")
        if code:
            click.echo(f"\n{click.wrap_text(CODES[one].text, 100)}")
