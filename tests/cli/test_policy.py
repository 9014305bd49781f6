"""`regproxy policy check` and `explain`: words, JSON and exit codes."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group
from regproxy.tls.authority import create

GOOD = 'policy 1;\nregistry r { hosts "r.example"; }\ntier a { match any; pass; }\n'
WRONG = "policy 1;\ntier a { match any; frsh 1h; }\n"


def run(*arguments: str, **environ: str) -> Result:
    runner = CliRunner(env={"REGPROXY_POLICY": None, "REGPROXY_CA_DIR": "/nonexistent", **environ})
    return runner.invoke(policy_group, arguments)


def decision(*arguments: str) -> str:
    """The line of an explanation that says what is decided."""
    return next(line for line in run(*arguments).stdout.splitlines() if line.startswith("decision"))


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "good.policy").write_text(GOOD)
    (tmp_path / "wrong.policy").write_text(WRONG)
    return {path.stem: str(path) for path in tmp_path.iterdir()}


def test_a_good_file_is_ok(written: dict[str, str]) -> None:
    result = run("check", written["good"])
    assert (result.exit_code, result.stdout) == (0, f"{written['good']}: ok\n")


def test_a_wrong_file_exits_1_with_file_line_caret_and_hint(written: dict[str, str]) -> None:
    result = run("check", written["good"], written["wrong"])
    assert result.exit_code == 1
    assert result.stdout == (
        f"{written['good']}: ok\n"
        "error[RP101]: unknown directive `frsh` in `tier`\n"
        f" --> {written['wrong']}:2:21\n"
        "  |\n"
        "2 | tier a { match any; frsh 1h; }\n"
        "  |                     ^^^^\n"
        "  = help: did you mean `fresh`?\n"
        "\n"
        f"{written['wrong']}: 1 error, 0 warnings\n"
    )


def test_findings_can_be_had_as_json(written: dict[str, str]) -> None:
    result = run("check", "--json", written["wrong"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert [(one["code"], one["line"], one["column"], one["help"]) for one in report["findings"]] == [
        ("RP101", 2, 21, "did you mean `fresh`?")
    ]


def test_without_a_file_the_policy_that_would_run_is_checked() -> None:
    result = run("check")
    assert (result.exit_code, result.stdout) == (0, "policy: default (packaged); name another with --policy: ok\n")
    seed = run("check", ENABLE_MANIFEST_CACHE="True")
    assert seed.exit_code == 0
    assert seed.stdout.startswith("policy: seed (from ENABLE_MANIFEST_CACHE); manifest cache off")
    assert 'warning: ENABLE_MANIFEST_CACHE is "True"' in seed.stderr


@pytest.mark.parametrize("command", [("check",), ("test",), ("show",), ("explain", "r.example/app")])
def test_without_a_file_the_one_that_the_environment_names_to_serve_is_meant(
    written: dict[str, str], command: tuple[str, ...]
) -> None:
    said = run(*command, REGPROXY_POLICY=written["good"])
    assert said.exit_code == 0
    assert ("tier a" if command[0] in ("show", "explain") else f"policy: {written['good']}: ") in said.stdout


def test_a_file_that_is_missing_and_a_variable_that_is_wrong_are_usage_errors(tmp_path: Path) -> None:
    missing = run("check", str(tmp_path / "none.policy"))
    assert missing.exit_code == 2
    assert "cannot read the policy" in missing.stderr
    wrong = run("check", AUTH_REGISTRIES="a:b")
    assert wrong.exit_code == 2
    assert "AUTH_REGISTRIES: entry 1 is no" in wrong.stderr
    assert run("check", "--nonsense").exit_code == 2


def test_a_host_that_the_ca_does_not_cover_is_an_error(tmp_path: Path, written: dict[str, str]) -> None:
    create(tmp_path / "ca", ["other.example"], time.time())
    result = run("check", "--ca-dir", str(tmp_path / "ca"), written["good"])
    assert result.exit_code == 1
    assert "error[RP310]: the CA does not cover `r.example`" in result.stdout
    create(tmp_path / "wider", ["example"], time.time())
    assert run("check", "--ca-dir", str(tmp_path / "wider"), written["good"]).exit_code == 0


def test_before_there_is_a_ca_every_name_counts_as_covered_but_no_address(tmp_path: Path) -> None:
    path = tmp_path / "address.policy"
    path.write_text('policy 1; registry r { hosts "10.0.0.5:5000" "r.example"; }')
    result = run("check", "--ca-dir", str(tmp_path / "none"), str(path))
    assert result.exit_code == 1
    assert result.stdout.count("RP310") == 1
    assert "give it a DNS name" in result.stdout


def test_a_ca_that_cannot_be_read_is_said_and_not_judged(tmp_path: Path, written: dict[str, str]) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ca.crt").write_text("no certificate")
    result = run("check", "--ca-dir", str(tmp_path / "broken"), written["good"])
    assert result.exit_code == 0
    assert "warning: the CA is not looked at" in result.stderr


def test_explain_says_which_tier_decides(written: dict[str, str]) -> None:
    assert decision("explain", "nginx:1.25").startswith("decision  tier hub-tags: fresh 5m;")
    arguments = ("explain", "--policy", written["good"], "--method", "HEAD", "r.example/app")
    result = run(*arguments)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "request   HEAD https://r.example/v2/app/manifests/latest"
    assert decision(*arguments) == "decision  tier a: pass"


def test_explain_knows_the_client(tmp_path: Path) -> None:
    path = tmp_path / "a.policy"
    path.write_text('policy 1; registry r { hosts "r.example"; } tier a { match client in ["10.0.0.0/8"]; pass; }')
    lines = {
        client: decision("explain", "--policy", str(path), "--client", client, "r.example/app")
        for client in ("10.1.1.1", "11.1.1.1")
    }
    assert lines == {"10.1.1.1": "decision  tier a: pass", "11.1.1.1": "decision  unmatched: no tier matches, so pass"}


def test_explain_says_what_would_happen_now() -> None:
    cold = run("explain", "redis:7.2.4").stdout
    assert "now       miss: the client gets 200\n" in cold
    assert "fresh     for 1h; then the registry is asked whether it still holds\n" in cold
    late = run("explain", "--stored-age", "2d", "--upstream", "429", "redis:7.2.4").stdout
    assert "now       stale: the client gets 200\n" in late
    assert "stale     for 5d1h more" in late
    report = json.loads(run("explain", "--json", "--stored-age", "8d", "--upstream", "dns", "redis:7.2.4").stdout)
    assert {key: report["now"][key] for key in ("outcome", "status", "asked")} == {
        "outcome": "error",
        "status": 502,
        "asked": ["HEAD"],
    }
    assert json.loads(run("explain", "--json", "https://packages.example/").stdout)["now"] is None


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--stored-age", "2", "'2' is no time such as 90s, 2h or 1h30m"),
        ("--stored-age", "", "'' is no time"),
        ("--upstream", "down", "'down' is none of same, moved, slow, dns,"),
        ("--upstream", "200", "or a status from 400 to 599"),
    ],
)
def test_circumstances_that_make_no_sense_are_usage_errors(option: str, value: str, sentence: str) -> None:
    result = run("explain", option, value, "redis")
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")


def test_explain_can_be_had_as_json() -> None:
    report = json.loads(run("explain", "--json", "redis:7.2.4").stdout)
    assert report["decision"].startswith("tier release: fresh 1h")
    assert [tier["matched"] for tier in report["tiers"]] == [False, False, True]
    assert report["request"]["repository"] == "library/redis"
    assert json.loads(run("explain", "--json", "https://ghcr.io/v2/").stdout)["decision"] is None


def test_explain_with_a_wrong_policy_shows_its_errors(written: dict[str, str]) -> None:
    result = run("explain", "--policy", written["wrong"], "nginx")
    assert result.exit_code == 1
    assert "error[RP101]" in result.stdout


def test_what_is_no_reference_is_a_usage_error() -> None:
    result = run("explain", "not a reference")
    assert result.exit_code == 2
    assert "is no image reference" in result.stderr
    assert run("explain", "--client", "nobody", "nginx").exit_code == 2
