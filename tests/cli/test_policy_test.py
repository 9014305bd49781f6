"""`regproxy policy test`: what a run prints, writes and exits with."""

import json
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group

TIERS = """policy 1;
registry quay { hosts "quay.io"; }
defaults { stale if-error 7d on $outage; }
tier release { match tag matches '\\d+\\.\\d+'; fresh 1h; }
tier rest { match any; pass; }
"""
SURVIVES = """test "a release survives a limit" {
    request GET "quay.io/a/b:1.2";
    given stored age 2d;
    given upstream 429;
    expect tier release;
    expect outcome stale;
}
"""
WRONG = """test "nothing else is cached" {
    request GET "quay.io/a/b:latest";
    expect tier release;
    expect fresh 1h;
}
"""


def run(*arguments: str) -> Result:
    return CliRunner(env={"REGPROXY_POLICY": None, "REGPROXY_CA_DIR": "/nonexistent"}).invoke(policy_group, arguments)


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    texts = {"good": TIERS + SURVIVES, "wrong": TIERS + SURVIVES + WRONG, "broken": "policy 1; tier a { mtch any; }"}
    for name, text in texts.items():
        (tmp_path / f"{name}.policy").write_text(text)
    return {name: str(tmp_path / f"{name}.policy") for name in texts}


def test_passing_tests_exit_0_and_say_what_they_do_not_cover(written: dict[str, str]) -> None:
    result = run("test", written["good"])
    assert (result.exit_code, result.stdout) == (
        0,
        "ok    a release survives a limit\n"
        f"{written['good']}: 1 passed, 0 failed; tiers covered 1/2 (not covered: rest)\n",
    )


def test_a_failing_test_exits_1_and_says_line_by_line_what_came_instead(written: dict[str, str]) -> None:
    result = run("test", written["wrong"])
    assert (result.exit_code, result.stdout) == (
        1,
        "ok    a release survives a limit\n"
        "FAIL  nothing else is cached\n"
        f"      {written['wrong']}:15: expected tier release, got rest\n"
        f"      {written['wrong']}:16: expected fresh 1h, got pass\n"
        f"{written['wrong']}: 1 passed, 1 failed; tiers covered 2/2\n",
    )


def test_a_failing_test_is_a_finding_of_check(written: dict[str, str]) -> None:
    result = run("check", written["wrong"])
    assert result.exit_code == 1
    assert "error[RP701]: the test `nothing else is cached` fails: expected tier release, got rest" in result.stdout
    assert run("check", written["good"]).exit_code == 0


def test_a_policy_that_does_not_load_is_not_tested(written: dict[str, str]) -> None:
    result = run("test", written["broken"], written["good"])
    assert result.exit_code == 1
    assert "error[RP101]: unknown directive `mtch` in `tier`" in result.stdout
    assert f"{written['broken']}: not tested, for it does not load\n" in result.stdout
    assert "ok    a release survives a limit" in result.stdout


def test_run_chooses_tests_by_their_name(written: dict[str, str]) -> None:
    result = run("test", "--run", "survives", written["wrong"])
    assert result.exit_code == 0
    assert "nothing else" not in result.stdout
    none = run("test", "--run", "no such thing", written["wrong"])
    assert none.exit_code == 2
    assert "the name of no test contains 'no such thing'" in none.stderr


def test_coverage_counts_the_tests_of_each_tier_and_may_be_demanded(written: dict[str, str]) -> None:
    result = run("test", "--coverage", "--threshold", "51", written["good"])
    assert result.exit_code == 1
    assert "   1  tier release\n   0  tier rest\n" in result.stdout
    assert result.stdout.endswith("tests reach 50% of the tiers, less than 51%\n")
    assert run("test", "--threshold", "50", written["good"]).exit_code == 0
    assert run("test", "--threshold", "101", written["good"]).exit_code == 2


def test_results_can_be_had_as_junit_xml(written: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert run("test", "--junit", str(report), written["wrong"], written["broken"]).exit_code == 1
    suites = parse(report).getroot().findall("testsuite")
    assert [(one.get("tests"), one.get("failures"), one.get("errors")) for one in suites] == [
        ("2", "1", "0"),
        ("0", "0", "1"),
    ]
    passed, failed = suites[0].findall("testcase")
    assert (passed.get("name"), passed.get("line"), len(passed)) == ("a release survives a limit", "6", 0)
    assert [one.get("message") for one in failed] == ["expected tier release, got rest", "expected fresh 1h, got pass"]
    assert suites[1].findall("testcase/error")[0].get("message") == "RP101: unknown directive `mtch` in `tier`"
    unwritable = run("test", "--junit", str(tmp_path / "none" / "x.xml"), written["good"])
    assert unwritable.exit_code == 2
    assert "cannot write" in unwritable.stderr


def test_the_error_of_a_report_is_what_stops_the_policy_in_characters_that_xml_has(tmp_path: Path) -> None:
    warned = "let unused = 1d;\ntier a { match any; \x01; }\n"
    (tmp_path / "odd.policy").write_text(f"policy 1;\n{warned}")
    report = tmp_path / "report.xml"
    assert run("test", "--junit", str(report), str(tmp_path / "odd.policy")).exit_code == 1
    (error,) = parse(report).getroot().findall("testsuite/testcase/error")
    assert error.get("message") == "RP003: expected a name, found `?`"
    assert "warning[RP114]" in (error.text or "")


def test_results_can_be_had_as_json(written: dict[str, str]) -> None:
    report = json.loads(run("test", "--json", written["wrong"]).stdout)
    assert report["ok"] is False
    (policy,) = report["policies"]
    assert (policy["tiers"], policy["coverage"]) == ({"release": 1, "rest": 1}, 100.0)
    survives, wrong = policy["tests"]
    assert (survives["passed"], survives["outcome"], survives["status"]) == (True, "stale", 200)
    assert wrong["failures"][0] == {"line": 15, "sentence": "expected tier release, got rest"}


def test_without_a_file_the_policy_that_would_run_is_tested() -> None:
    result = run("test")
    assert result.exit_code == 0
    assert "policy: default (packaged)" in result.stdout
    assert run("test", "/nonexistent.policy").exit_code == 2
