"""`regproxy policy fmt`: files in place, standard input, what would change, exit codes."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group

UGLY = "policy 1;\r\ntier a{ match any ;pass; }"
PRETTY = "policy 1;\ntier a { match any; pass; }\n"
BROKEN = "policy 1;\ntier a { match any; pass }\n"


def run(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(policy_group, ("fmt", *arguments), input=given)


def write(path: Path, text: str) -> str:
    path.write_bytes(text.encode())
    return str(path)


def test_files_are_formatted_in_place_and_keep_their_mode(tmp_path: Path) -> None:
    ugly, pretty = write(tmp_path / "ugly.policy", UGLY), write(tmp_path / "pretty.policy", PRETTY)
    Path(ugly).chmod(0o640)
    before = Path(pretty).stat().st_mtime_ns
    result = run(ugly, pretty)
    assert (result.exit_code, result.stdout) == (0, f"{ugly}: formatted\n")
    assert Path(ugly).read_bytes() == PRETTY.encode()
    assert stat.S_IMODE(Path(ugly).stat().st_mode) == 0o640
    assert Path(pretty).stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pretty.policy", "ugly.policy"]


def test_a_program_reads_as_json_what_changed_or_would(tmp_path: Path) -> None:
    ugly, pretty = write(tmp_path / "ugly.policy", UGLY), write(tmp_path / "pretty.policy", PRETTY)
    would = run("--diff", "--json", ugly, pretty)
    first, second = json.loads(would.stdout)
    assert (would.exit_code, first["file"], first["changed"], second["changed"]) == (1, ugly, True, False)
    assert "+tier a { match any; pass; }" in first["diff"]
    assert Path(ugly).read_bytes() == UGLY.encode()
    done = run("--json", ugly, "-", given=UGLY.encode())
    assert [one["changed"] for one in json.loads(done.stdout)] == [True, True]
    assert json.loads(done.stdout)[1]["text"] == PRETTY == Path(ugly).read_text()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target.policy"
    write(target, UGLY)
    link = tmp_path / "link.policy"
    link.symlink_to(target)
    assert run(str(link)).exit_code == 0
    assert link.is_symlink()
    assert target.read_text() == PRETTY


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    ugly = write(tmp_path / "ugly.policy", UGLY)
    monkeypatch.setattr(os, "fsync", full)
    result = run(ugly)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"cannot write {ugly}: No space left on device" in result.stderr
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("ugly.policy", UGLY.encode())]


def test_standard_input_goes_to_standard_output() -> None:
    result = run("-", given=UGLY.encode())
    assert (result.exit_code, result.stdout_bytes) == (0, PRETTY.encode())
    assert run("-", "--check", given=PRETTY.encode()).exit_code == 0
    assert run("-", "--check", given=UGLY.encode()).stdout == "<stdin>: would change\n"


def test_check_names_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    ugly, pretty = write(tmp_path / "ugly.policy", UGLY), write(tmp_path / "pretty.policy", PRETTY)
    result = run("--check", pretty, ugly)
    assert (result.exit_code, result.stdout) == (1, f"{ugly}: would change\n")
    assert Path(ugly).read_bytes() == UGLY.encode()
    assert run("--check", pretty).exit_code == 0


def test_diff_prints_what_would_change(tmp_path: Path) -> None:
    ugly = write(tmp_path / "ugly.policy", 'policy 1;\ntier a{ match tag is "\u2028"; pass; }')
    result = run("--diff", ugly)
    assert result.exit_code == 1
    assert result.stdout == (
        f"--- {ugly}\n+++ {ugly} (formatted)\n@@ -1,2 +1,2 @@\n policy 1;\n"
        '-tier a{ match tag is "\u2028"; pass; }\n\\ No newline at end of file\n'
        '+tier a { match tag is "\u2028"; pass; }\n'
    )
    assert (run("--diff", write(tmp_path / "pretty.policy", PRETTY)).exit_code, Path(ugly).read_text()[-1]) == (0, "}")


def test_diff_prints_no_secret(tmp_path: Path) -> None:
    result = run("--diff", write(tmp_path / "a.policy", 'registry r {auth basic{ password "hunter22"; } }'))
    assert result.exit_code == 1
    assert "hunter22" not in result.stdout
    assert 'password "********";' in result.stdout


def test_a_file_with_mistakes_is_formatted_too(tmp_path: Path) -> None:
    broken = write(tmp_path / "broken.policy", BROKEN.replace("tier a {", "tier   a{"))
    assert run(broken).exit_code == 0
    assert Path(broken).read_text() == BROKEN


def test_nothing_is_written_when_a_file_cannot_be_read(tmp_path: Path) -> None:
    ugly = write(tmp_path / "ugly.policy", UGLY)
    result = run(ugly, str(tmp_path / "none.policy"))
    assert result.exit_code == 2
    assert f"cannot read the policy {tmp_path / 'none.policy'}: No such file or directory" in result.stderr
    assert Path(ugly).read_bytes() == UGLY.encode()
    (tmp_path / "latin.policy").write_bytes(b"# caf\xe9\n")
    assert run(str(tmp_path / "latin.policy")).exit_code == 2
    assert run("-", given=b"\xff").exit_code == 2
    assert run().exit_code == 2
