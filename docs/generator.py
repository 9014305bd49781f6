"""Write what the reference and the man page say of the program, from the program: `python -m docs.generator`.

What a running proxy says of its API is written as well where its admin socket is named: `… unix:/path/admin.sock`.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from regproxy import __version__
from regproxy.cli import main
from regproxy.cli.admin import call
from regproxy.cli.deferred import whole
from regproxy.policy.codes import CODES
from regproxy.policy.manual import manual

ROOT = Path(__file__).parents[1]
_MADE = "<!-- Made by `python -m docs.generator`. -->\n"
NAME = "regproxy"
API = "docs/reference/api.md"


def commands(command: click.Command = main, path: str = NAME) -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name, groups before what is in them."""
    command = whole(command)
    yield path, command
    if isinstance(command, click.Group):
        for name, one in sorted(command.commands.items()):
            if not one.hidden:
                yield from commands(one, f"{path} {name}")


def usage(path: str, command: click.Command) -> str:
    """How a command is called."""
    context = click.Context(command, info_name=path)
    return " ".join((path, *command.collect_usage_pieces(context)))


def options(command: click.Command) -> list[tuple[str, str]]:
    """Flags and what they do, `--help` apart; arguments stand in the usage."""
    context = click.Context(command)
    shown = [one for one in command.get_params(context) if isinstance(one, click.Option) and "--help" not in one.opts]
    records = [(one, one.get_help_record(context)) for one in shown]
    return [(record[0], f"{record[1]}{_twin(one)}") for one, record in records if record is not None]


def _twin(parameter: click.Parameter) -> str:
    return f" [{parameter.envvar}]" if isinstance(parameter.envvar, str) else ""


def text(command: click.Command) -> str:
    """What a command says of itself, a paragraph a line."""
    said = inspect.cleandoc(command.help or "").replace("\b\n", "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in said.split("\n\n"))


def cli_page() -> str:
    """Every command with its flags."""
    parts = [
        "# The command line\n",
        _MADE,
        "Exit codes: 0 ok; 1 findings or failure; 2 usage; 3 where a command says so. What is asked for goes to\n"
        "standard output, messages to standard error. Variables stand in brackets.\n",
    ]
    for path, command in commands():
        parts += [f"## {path}\n", f"```text\n{usage(path, command)}\n```\n", f"{_escaped(text(command))}\n"]
        rows = [f"| `{_cell(flag)}` | {_cell(_escaped(said))} |" for flag, said in options(command)]
        if rows and not isinstance(command, click.Group):
            parts.append("\n".join(["| flag | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _escaped(words: str) -> str:
    return re.sub(r"([*_<>])", r"\\\1", words)


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def environment_page() -> str:
    """Every variable and the flags that read it."""
    read: dict[str, dict[str, str]] = {}
    for path, command in commands():
        for one in command.params:
            if isinstance(one, click.Option) and isinstance(one.envvar, str):
                read.setdefault(one.envvar, {}).setdefault(one.opts[0], path)
    rows = [f"| `{name}` | {_flags(flags)} |" for name, flags in sorted(read.items())]
    lines = ["| variable | flag |", "|---|---|", *rows]
    seed = "The variables of rpardini/docker-registry-proxy are in [their own table](../seed-scenarios.md#settings).\n"
    return "\n".join(["# The environment\n", _MADE, "A flag goes before its variable.\n", *lines, "", seed])


def _flags(flags: Mapping[str, str]) -> str:
    return ", ".join(f"`{flag}` of `{path}`" for flag, path in flags.items())


def api_page(admin: str) -> str:
    """Every call of the API, as a running proxy describes it in OpenAPI."""
    document: Any = call(admin, "GET", "/openapi.json", {})
    parts = [
        "# The API\n",
        "<!-- Made by `python -m docs.generator unix:/path/admin.sock`. -->\n",
        f"Below `{document['servers'][0]['url']}`, on the admin socket or an address with a token. Parameters stand\n"
        "in the query; answers are JSON, and what went wrong is problem+json (RFC 9457). `/openapi.json` is the same\n"
        "for machines.\n",
    ]
    for path, methods in sorted(document["paths"].items()):
        for method, said in sorted(methods.items()):
            parts += [f"## {method.upper()} {path}\n", f"{_escaped(said['summary'])}\n"]
            rows = [f"| `{one['name']}` | {_needed(one)} |" for one in said["parameters"]]
            if rows:
                parts.append("\n".join(["| parameter | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _needed(parameter: Mapping[str, Any]) -> str:
    return _cell(_escaped(str(parameter["description"]))) + (" (required)" if parameter["required"] else "")


def codes_page() -> str:
    """Every code of a finding."""
    parts = ["# Codes of findings\n", _MADE, "What `regproxy policy explain-code` says.\n"]
    for code, meaning in CODES.items():
        parts += [f"## {code}: {meaning.title}\n", f"{meaning.text}\n"]
    return "\n".join(parts)


def language_page() -> str:
    """The whole language, as the program prints it."""
    return "\n".join(
        ["# The policy language\n", _MADE, "What `regproxy policy schema` prints.\n", f"```text\n{manual()}```\n"]
    )


def man_page() -> str:
    """The man page, in the macros of man(7)."""
    lines = [f'.TH REGPROXY 1 "" "regproxy {__version__}" "User Commands"', ".ad l", ".SH NAME"]
    lines += [r"regproxy \- a caching HTTPS_PROXY for container images", ".SH SYNOPSIS", ".B regproxy"]
    lines += [r"\fICOMMAND\fR [\fIOPTIONS\fR]", ".SH DESCRIPTION"]
    lines += [
        _roff("Clients set it as their HTTPS_PROXY and trust its CA. What one of them pulled comes from its cache.")
    ]
    lines += [_roff("Its policy says what is fresh for how long, and what is served while a registry fails.")]
    lines.append(".SH COMMANDS")
    for path, command in commands():
        if isinstance(command, click.Group):
            continue
        lines += [f".SS {_roff(usage(path, command))}", _roff(text(command).replace("\n\n", "\n.PP\n"))]
        for flag, said in options(command):
            lines += [".TP", f".B {_roff(flag)}", _roff(said)]
    lines += [".SH EXIT STATUS", "0 ok, 1 findings or failure, 2 usage, 3 where a command says so."]
    lines += [".SH SEE ALSO", _roff("The pages in docs/ of the project.")]
    return "\n".join(lines) + "\n"


def _roff(words: str) -> str:
    """Text as groff takes it: hyphens that can be copied, and no line that begins like a request but our own."""
    escaped = words.replace("\\", r"\e").replace("-", r"\-")
    escaped = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in escaped)
    lines = escaped.split("\n")
    return "\n".join(rf"\&{line}" if line.startswith(("'", ".")) and line != ".PP" else line for line in lines)


def pages() -> Mapping[str, str]:
    """Every page that is made, by its path in the repository."""
    return {
        "docs/reference/cli.md": cli_page(),
        "docs/reference/environment.md": environment_page(),
        "docs/reference/codes.md": codes_page(),
        "docs/reference/language.md": language_page(),
        "deploy/regproxy.1": man_page(),
    }


if __name__ == "__main__":
    made = pages() if len(sys.argv) == 1 else {API: api_page(sys.argv[1])}
    for name, page in made.items():
        target = ROOT / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
