"""`regproxy policy check`: every finding of a policy in one run."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from regproxy import __version__
from regproxy.cli.ca import ca_dir_option, ca_directory, passphrase_option
from regproxy.cli.policy.given import POLICY_PATH, json_option, load_named, paint, running
from regproxy.cli.policy.rewrite import rewrite
from regproxy.cli.sentence import sentence
from regproxy.policy.cover import uncovered
from regproxy.policy.diagnostic import Diagnostic, Severity, render
from regproxy.policy.fixing import fixed
from regproxy.policy.layout import layout
from regproxy.policy.load import Loaded
from regproxy.policy.report import as_github, as_object, as_sarif
from regproxy.rehearsal.reachability import prove
from regproxy.rehearsal.scenarios import failures
from regproxy.tls.constraints import as_address
from regproxy.tls.directory import read_holdings

MAX_FIXES = 10


@dataclass(frozen=True, slots=True)
class _Checked:
    """One policy and its findings, as far as they are shown."""

    name: str
    findings: tuple[Diagnostic, ...]

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)


@click.command("check")
@click.argument("files", nargs=-1, type=POLICY_PATH)
@click.option("--deny-warnings", is_flag=True, help="Exit 1 for warnings, too.")
@click.option("--fix", is_flag=True, help="Mend in the files what can be mended without doubt, then check.")
@click.option("-v", "--verbose", is_flag=True, help="Show notes, too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "sarif", "github")),
    default="text",
    show_default=True,
    help="How findings are printed.",
)
@json_option
@ca_dir_option
@passphrase_option
def check_command(
    files: tuple[Path, ...],
    deny_warnings: bool,
    fix: bool,
    verbose: bool,
    form: str,
    as_json: bool,
    ca_dir: Path | None,
    ca_passphrase_file: Path | None,
) -> None:
    """Check policy FILES; without one, the policy that `serve` would run here.

    Prints every finding; exit 1 when one of them is an error. Tiers that no request can reach are proved, and so are
    requests that no tier takes. Hosts that the CA does not cover and tests that fail count too; where there is no CA
    yet, the one that a first start makes counts.
    """
    if fix and not files:
        raise click.UsageError("--fix needs the files to mend")
    if fix:
        for path in files:
            _fix(path)
    permits = _permits(ca_directory(ca_dir), ca_passphrase_file)
    read = [(str(path), load_named(path)) for path in files] or [running(None)]
    checked = [_Checked(name, tuple(_findings(loaded, permits, verbose=verbose))) for name, loaded in read]
    failing = {Severity.ERROR, Severity.WARNING} if deny_warnings else {Severity.ERROR}
    ok = not any(finding.severity in failing for one in checked for finding in one.findings)
    _print(checked, "json" if as_json else form, ok=ok)
    sys.exit(0 if ok else 1)


def _findings(loaded: Loaded, permits: Callable[[str], bool], *, verbose: bool) -> Iterable[Diagnostic]:
    """All that is found and proved, failed tests too; notes only when they are asked for."""
    policy = loaded.policy
    tried = (*uncovered(policy, permits), *failures(policy)) if policy is not None else ()
    laid_out = [found for source in loaded.sources for found in layout(source)] if verbose else ()
    every = (*prove(loaded, notes=verbose).diagnostics, *tried, *laid_out)
    return (one for one in every if verbose or one.severity is not Severity.NOTE)


def _print(checked: Sequence[_Checked], form: str, *, ok: bool) -> None:
    every = [finding for one in checked for finding in one.findings]
    match form:
        case "json":
            click.echo(json.dumps({"ok": ok, "findings": [as_object(finding) for finding in every]}, indent=2))
        case "sarif":
            click.echo(json.dumps(as_sarif(every, __version__), indent=2))
        case "github":
            for finding in every:
                click.echo(as_github(finding))
        case _:
            colours = paint()
            for one in checked:
                for finding in one.findings:
                    click.echo(render(finding, colours))
                click.echo(_summary(one))


def _fix(path: Path) -> None:
    """Make the fixes of a file and of what it includes, again until none is left."""
    for _ in range(MAX_FIXES):
        loaded = load_named(path)
        changed = {source: text for source, text in fixed(loaded.diagnostics).items() if source in loaded.sources}
        if not changed:
            return
        for source, text in changed.items():
            try:
                rewrite(Path(source.name), text)
            except OSError as error:
                raise click.UsageError(f"cannot write {source.name}: {error.strerror or error}") from error


def _permits(directory: Path, passphrase_file: Path | None) -> Callable[[str], bool]:
    """What the CA may sign for; one that does not exist yet will cover every name that the policy has."""
    try:
        return read_holdings(directory, passphrase_file).permits
    except FileNotFoundError:
        return lambda host: as_address(host) is None
    except (OSError, ValueError) as error:
        click.echo(f"warning: the CA is not looked at: {sentence(error)}", err=True)
        return lambda _: True


def _summary(checked: _Checked) -> str:
    if not checked.findings:
        return f"{checked.name}: ok"
    counts = [(checked.count(Severity.ERROR), "error"), (checked.count(Severity.WARNING), "warning")]
    if notes := checked.count(Severity.NOTE):
        counts.append((notes, "note"))
    return f"{checked.name}: {', '.join(_count(number, word) for number, word in counts)}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
