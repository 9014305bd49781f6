"""`regproxy policy show`: as text, as JSON, redacted."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group

TEXT = """policy 1;
include "parts/*.policy";
defaults { fresh $short; }
tier a { match registry is corp; }
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "corp.policy").write_text('let short = 5m; registry corp { hosts "corp.example"; }\n')
    (tmp_path / "main.policy").write_text(TEXT)
    return str(tmp_path / "main.policy")


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner(env={"REGPROXY_POLICY": None, **environ}).invoke(policy_group, ("show", *arguments))


def test_a_file_is_shown_as_it_runs_and_what_is_shown_can_be_run(policy: str, tmp_path: Path) -> None:
    result = run(policy)
    assert result.exit_code == 0
    assert result.stdout == (
        f"# policy: {policy}\npolicy 1;\n\n"
        "cache {\n    size       32GiB;\n    inactive   60d;\n    min-free   10%;\n    evict      s3fifo;\n"
        "    durability data;\n}\n\n"
        'registry corp {\n    hosts     "corp.example:443";\n    scheme    https;\n    intercept on;\n'
        "    push      refuse;\n}\n\n"
        "tunnel {\n    ports 443;\n}\n\n"
        "tier a {\n    match      registry is corp;\n    fresh      5m;\n    revalidate head;\n}\n"
    )
    (tmp_path / "again.policy").write_text(result.stdout)
    assert run(str(tmp_path / "again.policy")).stdout.splitlines()[1:] == result.stdout.splitlines()[1:]


def test_without_a_file_the_policy_that_would_run_is_shown() -> None:
    assert run().stdout.startswith("# policy: default (packaged); name another with --policy\npolicy 1;\n")
    limits = json.loads(run("--json", CACHE_MAX_SIZE="5g").stdout)["cache"]
    assert limits == {
        "size": "5GiB",
        "inactive": "60d",
        "min-free": "10%",
        "evict": "s3fifo",
        "durability": "data",
    }


def test_redacted_it_names_neither_hosts_nor_files(policy: str) -> None:
    text, shown = run("--redact", policy).stdout, json.loads(run("--redact", "--json", policy).stdout)
    assert "corp" not in text
    assert policy not in text
    assert f"registry {shown['registry'][0]['name']} {{" in text
    assert shown["tier"][0]["match"] == f"registry is {shown['registry'][0]['name']}"


def test_a_policy_with_mistakes_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "wrong.policy").write_text("policy 1;\ntier a { match any; frsh 1h; }\n")
    result = run(str(tmp_path / "wrong.policy"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error[RP101]" in result.stderr
    assert run(str(tmp_path / "none.policy")).exit_code == 2
