"""`regproxy policy test`: run the tests that policies carry."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from regproxy.cli.policy.given import POLICY_PATH, json_option, load_named, paint, running
from regproxy.cli.policy.junit import junit
from regproxy.policy.diagnostic import Diagnostic, render, visible
from regproxy.policy.load import Loaded
from regproxy.policy.report import as_object
from regproxy.rehearsal.scenarios import Result, run


@dataclass(frozen=True, slots=True)
class Tested:
    """One policy and what came of its tests; with an error in `findings` none was run."""

    name: str
    findings: tuple[Diagnostic, ...]
    results: tuple[Result, ...]
    tiers: tuple[tuple[str, int], ...]

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return sum(not result.passed for result in self.results)

    @property
    def ok(self) -> bool:
        """Whether the policy loads and does what its tests say."""
        return not self.findings and not self.failed

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The tiers that no test reaches."""
        return tuple(tier for tier, tests in self.tiers if not tests)

    @property
    def coverage(self) -> float:
        """The share of tiers that a test reaches, in percent."""
        return 100.0 * (len(self.tiers) - len(self.uncovered)) / len(self.tiers) if self.tiers else 100.0


@click.command("test")
@click.argument("files", nargs=-1, type=POLICY_PATH)
@click.option("--run", "part", default="", metavar="TEXT", help="Only tests whose name contains TEXT.")
@click.option("--coverage", is_flag=True, help="Show how many tests reach each tier.")
@click.option(
    "--threshold", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit 1 when fewer of the tiers are reached."
)
@click.option("--junit", "report", type=POLICY_PATH, metavar="FILE", help="Write the results as JUnit XML, too.")
@json_option
def test_command(
    files: tuple[Path, ...], part: str, coverage: bool, threshold: float | None, report: Path | None, as_json: bool
) -> None:
    """Run the tests in policy FILES; without one, in the policy that `serve` would run here.

    Nothing is sent anywhere: the server's own code decides, on a virtual clock. Exit 1 when a test fails.
    """
    read = [(str(path), load_named(path)) for path in files] or [running(None)]
    tested = [_tested(name, loaded, part) for name, loaded in read]
    if part and not any(one.results or one.findings for one in tested):
        raise click.UsageError(f"the name of no test contains {part!r}")
    if report is not None:
        _write(report, junit([(one.name, one.findings, one.results) for one in tested]))
    enough = all(one.ok and one.coverage >= (threshold or 0) for one in tested)
    if as_json:
        click.echo(json.dumps({"ok": enough, "policies": [_object(one) for one in tested]}, indent=2))
    else:
        for one in tested:
            _print(one, coverage=coverage)
            if not one.findings and one.coverage < (threshold or 0):
                click.echo(f"{one.name}: tests reach {one.coverage:.0f}% of the tiers, less than {threshold:g}%")
    sys.exit(0 if enough else 1)


def _tested(name: str, loaded: Loaded, part: str) -> Tested:
    policy = loaded.policy
    if policy is None:
        return Tested(name, loaded.diagnostics, (), ())
    results = tuple(run(policy, scenario) for scenario in policy.tests if part in scenario.name)
    reached = [result.tier for result in results]
    return Tested(name, (), results, tuple((tier.name, reached.count(tier.name)) for tier in policy.tiers))


def _print(tested: Tested, *, coverage: bool) -> None:
    colours = paint()
    for finding in tested.findings:
        click.echo(render(finding, colours))
    for result in tested.results:
        click.echo(f"{'ok  ' if result.passed else 'FAIL'}  {visible(result.scenario.name)}")
        for failure in result.failures:
            click.echo(f"      {failure.span.source.name}:{failure.span.line}: {failure.sentence}")
    if coverage:
        for tier, tests in tested.tiers:
            click.echo(f"{tests:4}  tier {tier}")
    click.echo(f"{tested.name}: {_summary(tested)}")


def _summary(tested: Tested) -> str:
    if tested.findings:
        return "not tested, for it does not load"
    covered = len(tested.tiers) - len(tested.uncovered)
    missing = f" (not covered: {', '.join(tested.uncovered)})" if tested.uncovered else ""
    passed = len(tested.results) - tested.failed
    return f"{passed} passed, {tested.failed} failed; tiers covered {covered}/{len(tested.tiers)}{missing}"


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _object(tested: Tested) -> dict[str, object]:
    return {
        "name": tested.name,
        "findings": [as_object(finding) for finding in tested.findings],
        "tests": [_result(result) for result in tested.results],
        "tiers": dict(tested.tiers),
        "coverage": round(tested.coverage, 1),
    }


def _result(result: Result) -> dict[str, object]:
    happening = result.happening
    return {
        "name": result.scenario.name,
        "file": result.scenario.span.source.name,
        "line": result.scenario.span.line,
        "passed": result.passed,
        "tier": result.tier,
        "outcome": happening.outcome,
        "status": happening.status,
        "failures": [{"line": one.span.line, "sentence": one.sentence} for one in result.failures],
    }
