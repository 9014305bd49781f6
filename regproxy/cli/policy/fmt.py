"""`regproxy policy fmt`: policy files in the one layout."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import click

from regproxy.cli.options import json_option
from regproxy.cli.policy.rewrite import rewrite
from regproxy.policy.diagnostic import Diagnostic, render
from regproxy.policy.format import formatted
from regproxy.policy.secrecy import masked
from regproxy.policy.source import Source
from regproxy.settings.files import MAX_POLICY, PolicyFiles, decoded

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class _Formatted:
    """A text before and after; `path` is None for standard input."""

    path: Path | None
    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


@click.command("fmt")
@click.argument("files", nargs=-1, required=True, metavar="FILE…|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--check", is_flag=True, help="Change nothing; name the files that would change, and exit 1 if any.")
@click.option("--diff", is_flag=True, help="Change nothing; print what would change, and exit 1 if anything.")
@json_option
def fmt_command(files: tuple[Path, ...], check: bool, diff: bool, as_json: bool) -> None:
    """Format policy FILES in place; `-` is standard input, to standard output.

    Comments, order and every token stay; files with mistakes are formatted too. Nothing is written when one of the
    files cannot be read: exit 2.
    """
    changes = [_read(path) for path in files]
    for change in changes:
        if not check and not diff:
            _write(change)
        if not as_json:
            click.echo(_in_words(change, check=check, diff=diff), nl=False)
    if as_json:
        click.echo(json.dumps([_object(change, diff=diff) for change in changes], indent=2))
    sys.exit(1 if (check or diff) and any(change.changed for change in changes) else 0)


def _read(path: Path) -> _Formatted:
    """A file or standard input, formatted; what cannot be read is a usage error."""
    standard_input = str(path) == STANDARD_INPUT
    try:
        source = _standard_input() if standard_input else PolicyFiles(path).main()
    except OSError as error:
        raise click.UsageError(str(error)) from error
    if isinstance(source, Diagnostic):
        raise click.UsageError(render(source))
    return _Formatted(None if standard_input else path, source.name, source.text, formatted(source.text))


def _standard_input() -> Source | Diagnostic:
    return decoded("<stdin>", sys.stdin.buffer.read(MAX_POLICY + 1))


def _write(change: _Formatted) -> None:
    if change.path is None or not change.changed:
        return
    try:
        rewrite(change.path, change.after)
    except OSError as error:
        raise click.UsageError(f"cannot write {change.name}: {error.strerror or error}") from error


def _in_words(change: _Formatted, *, check: bool, diff: bool) -> bytes:
    """What is printed of a file; of standard input, where it is to be formatted, the text itself."""
    would = f"{change.name}: would change\n" if check and change.changed else ""
    if check or diff:
        return (would + ("".join(_difference(change)) if diff else "")).encode()
    if change.path is None:
        return change.after.encode()
    return f"{change.name}: formatted\n".encode() if change.changed else b""


def _object(change: _Formatted, *, diff: bool) -> dict[str, object]:
    told: dict[str, object] = {"file": change.name, "changed": change.changed}
    told |= {"diff": "".join(_difference(change))} if diff else {}
    return told | ({"text": change.after} if change.path is None else {})


def _difference(change: _Formatted) -> Iterator[str]:
    """A unified diff, without the secrets that the text may hold by mistake."""
    before, after = _lines(masked(change.before)), _lines(masked(change.after))
    for line in unified_diff(before, after, change.name, f"{change.name} (formatted)"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Lines as policies have them: other line separators are characters in comments and strings."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
