"""`regproxy policy reload`: the running proxy reads its policy again."""

import json
import sys

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.policy.given import json_option
from regproxy.policy.diagnostic import visible


@click.command("reload")
@admin_option
@json_option
def reload_command(admin: str | None, as_json: bool) -> None:
    """Let the running proxy read its policy again; exit 1 when the old one runs on."""
    told = call(admin, "POST", "/policy/reload", {})
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo("\n".join(map(visible, _lines(told))))
    sys.exit(1 if told["result"] == "failure" else 0)


def _lines(told: dict[str, object]) -> list[str]:
    findings, changes = told.get("findings"), told.get("changes")
    lines = [
        f"{one['file']}:{one['line']}:{one['column']}: {one['code']} {one['sentence']}"
        for one in (findings if isinstance(findings, list) else ())
    ]
    lines += [str(change) for change in (changes if isinstance(changes, list) else ())]
    match told["result"]:
        case "success":
            return [f"the new policy runs, checksum {told['checksum']}", *lines]
        case "unchanged":
            return ["unchanged"]
        case _:
            detail = told.get("detail")
            return ["the policy that ran runs on", *lines, *([str(detail)] if detail else ())]
