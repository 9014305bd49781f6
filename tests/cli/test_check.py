"""`regproxy policy check`: formats, fixes and exit codes."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group
from regproxy.policy.codes import CODES

HEAD = 'policy 1;\nregistry r { hosts "r.example"; }\n'
REST = "tier rest { match any; pass; }\n"
WARNS = f"{HEAD}tier a {{ match tag finds 'x'; pass; }}\n{REST}"
NOTES = f"{HEAD}cache {{ inactive 1d; }}\ntier a {{ match kind is blob; fresh 2d; }}\n\n{REST}"
WRONG = f"{HEAD}tier a {{ match method is get; pass }}\n"


def run(*arguments: str) -> Result:
    return CliRunner(env={"REGPROXY_POLICY": None, "REGPROXY_CA_DIR": "/nonexistent"}).invoke(policy_group, arguments)


def written(directory: Path, text: str) -> str:
    path = directory / "one.policy"
    path.write_text(text, newline="")
    return str(path)


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (WARNS, (), 0),
        (WARNS, ("--deny-warnings",), 1),
        (NOTES, ("--deny-warnings", "-v"), 0),
        (WRONG, (), 1),
        (WRONG, ("--format", "sarif"), 1),
    ],
)
def test_the_exit_code_says_whether_the_policy_may_run(
    tmp_path: Path, text: str, options: tuple[str, ...], code: int
) -> None:
    path = written(tmp_path, text)
    assert run("check", *options, path).exit_code == code
    assert json.loads(run("check", *options, "--json", path).stdout)["ok"] == (code == 0)


def test_a_tier_that_no_request_reaches_is_an_error_and_one_that_takes_too_little_a_warning(tmp_path: Path) -> None:
    path = written(
        tmp_path, f"{HEAD}tier a {{ match tag like '*'; pass; }}\ntier b {{ match tag is 'v1'; fresh 1h; }}\n"
    )
    result = run("check", path)
    assert result.exit_code == 1
    assert "error[RP402]: tier `b` is never reached" in result.stdout
    assert "warning[RP404]: some requests match no tier" in result.stdout


def test_notes_are_shown_when_they_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, NOTES)
    assert run("check", path).stdout == f"{path}: ok\n"
    assert "note[RP501]" in (said := run("check", "-v", path).stdout)
    assert said.endswith(f"{path}: 0 errors, 0 warnings, 1 note\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{HEAD}\ntier a {{ match any; pass; }}\n", None),
        (f"{HEAD}\ntier  a {{ match any; pass; }}\n", 4),
        (f"{HEAD}\n\n\ntier a {{ match any; pass; }}\n", 4),
        (f"{HEAD}\ntier a {{ match any; pass; }}\n\n", 5),
        (f"{HEAD}\ntier a {{ match any; pass; }}", 4),
        (f"{HEAD}\r\ntier a {{ match any; pass; }}\n", 3),
    ],
)
def test_a_layout_of_its_own_is_a_note_at_the_first_line_that_differs(
    tmp_path: Path, text: str, line: int | None
) -> None:
    path = written(tmp_path, text)
    report = json.loads(run("check", "-v", "--json", path).stdout)
    assert [one["line"] for one in report["findings"] if one["code"] == "RP601"] == ([line] if line else [])
    assert run("fmt", "--check", path).exit_code == (1 if line else 0)


def test_a_fix_mends_the_file_and_what_it_includes_and_keeps_their_modes(tmp_path: Path) -> None:
    path = written(tmp_path, 'policy 1;\ninclude "more.policy";\ncache { size 1GiB }\n')
    more = tmp_path / "more.policy"
    more.write_text('registry "r" { hosts "https://r.example" }\n')
    more.chmod(0o640)
    result = run("check", "--fix", path)
    assert (result.exit_code, result.stdout) == (0, f"{path}: ok\n")
    assert Path(path).read_text() == 'policy 1;\ninclude "more.policy";\ncache { size 1GiB; }\n'
    assert more.read_text() == 'registry r { hosts "r.example"; }\n'
    assert stat.S_IMODE(more.stat().st_mode) == 0o640
    assert sorted(child.name for child in tmp_path.iterdir()) == ["more.policy", "one.policy"]


def test_what_cannot_be_mended_stays_as_it_is(tmp_path: Path) -> None:
    text = f"{HEAD}tier a {{ match any; frsh 1h; pass; }}\n"
    path = written(tmp_path, text)
    assert run("check", "--fix", path).exit_code == 1
    assert Path(path).read_text() == text
    assert run("check", "--fix").exit_code == 2


def test_findings_come_as_github_commands_and_as_sarif(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    lines = run("check", "--format", "github", path).stdout.splitlines()
    assert [line.split("title=")[1].split("::")[0] for line in lines] == ["RP103", "RP002"]
    log = json.loads(run("check", "--format", "sarif", path).stdout)
    assert [one["ruleId"] for one in log["runs"][0]["results"]] == ["RP103", "RP002"]


def test_nothing_is_coloured_where_nobody_looks(tmp_path: Path) -> None:
    assert "\x1b" not in run("check", written(tmp_path, WRONG)).stdout


def test_a_code_is_explained_in_a_paragraph() -> None:
    said = run("explain-code", "rp310").stdout
    assert said.startswith("RP310: host that the CA does not cover\n\n")
    assert " ".join(said.split("\n\n")[1].split()) == CODES["RP310"].text
    assert run("explain-code").stdout.count("\n") == len(CODES)
    assert json.loads(run("explain-code", "--json", "RP001").stdout)[0]["title"] == "not a value"
    unknown = run("explain-code", "RP999")
    assert (unknown.exit_code, "there is no code 'RP999'" in unknown.stderr) == (2, True)
