"""`regproxy policy from-env`: the environment as a policy, its warnings, and exit codes."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group
from regproxy.policy.format import formatted
from regproxy.policy.load import load
from regproxy.policy.parse import parse
from regproxy.policy.source import Source
from regproxy.settings.choose import choose_policy
from regproxy.settings.files import PolicyFiles
from regproxy.settings.packaged import packaged_source
from regproxy.settings.seed_upstream import verifies


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner(env={"REGPROXY_POLICY": None, **environ}).invoke(policy_group, ["from-env", *arguments])


@pytest.mark.parametrize(
    "environ",
    [
        {"REGISTRIES": "quay.io harbor.lan:5000 *.gcr.io"},
        {"ENABLE_MANIFEST_CACHE": "true"},
        {"ENABLE_MANIFEST_CACHE": "true", "MANIFEST_CACHE_PRIMARY_REGEX": "it's|\"", "CACHE_MAX_SIZE": "5g"},
        {"ENABLE_MANIFEST_CACHE": "true", "MANIFEST_CACHE_SECONDARY_REGEX": "", "MANIFEST_CACHE_DEFAULT_TIME": "1M"},
        {"ENABLE_MANIFEST_CACHE": "True", "VERIFY_SSL": "false", "PROXY_READ_TIMEOUT": "15m"},
    ],
    ids=str,
)
def test_what_is_printed_is_what_serve_runs_and_loads_without_a_finding(environ: Mapping[str, str]) -> None:
    printed = run(**environ)
    assert printed.exit_code == 0
    assert formatted(printed.stdout) == printed.stdout
    loaded = load(Source("printed", printed.stdout), {})
    assert {found.code for found in loaded.diagnostics} == (set() if verifies(environ) else {"RP307"})
    assert loaded.policy is not None
    chosen = choose_policy(None, {**os.environ, **environ})
    assert chosen.loaded.policy is not None
    assert chosen.loaded.policy.checksum == loaded.policy.checksum
    assert printed.stderr.splitlines() == [f"warning: {warning}" for warning in chosen.warnings]


def test_with_the_manifest_cache_on_the_packaged_seed_policy_is_printed_comments_aside() -> None:
    printed = parse(Source("printed", run(ENABLE_MANIFEST_CACHE="true").stdout))
    packaged = parse(packaged_source("seed"))
    statements = [[item.span.text for item in parsed.items] for parsed in (printed, packaged)]
    assert statements[0] == [text for text in statements[1] if not text.startswith("test ")]


def test_json_holds_the_text_the_variables_and_the_warnings() -> None:
    environ = {"REGISTRIES": "quay.io", "DEBUG": "true"}
    printed = run("--json", **environ)
    assert printed.exit_code == 0
    report = json.loads(printed.stdout)
    assert report == {
        "policy": run(**environ).stdout,
        "variables": ["REGISTRIES"],
        "warnings": ["DEBUG has no effect in this version"],
    }


def test_a_policy_file_in_the_environment_goes_before_and_that_is_said() -> None:
    printed = run(REGISTRIES="quay.io", REGPROXY_POLICY="/etc/my.policy")
    assert printed.exit_code == 0
    assert printed.stderr == "warning: REGPROXY_POLICY is set: `serve` runs that file and not this policy\n"


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"AUTH_REGISTRIES": "quay.io:hunter2"}, "AUTH_REGISTRIES"),
        ({"REGISTRIES": "a b_c!"}, "REGISTRIES"),
        ({"REGISTRIES": "quay.io", "CACHE_INACTIVE": "60 days"}, "CACHE_INACTIVE"),
        (
            {"ENABLE_MANIFEST_CACHE": "true", "MANIFEST_CACHE_PRIMARY_REGEX": "(?!rc)"},
            "MANIFEST_CACHE_PRIMARY_REGEX, column 1",
        ),
    ],
)
def test_a_wrong_variable_is_a_usage_error_that_names_it(environ: Mapping[str, str], variable: str) -> None:
    printed = run(**environ)
    assert (printed.exit_code, printed.stdout) == (2, "")
    assert f"Error: {variable}" in printed.stderr
    assert "hunter2" not in printed.stderr


@pytest.mark.parametrize("environ", [{}, {"CACHE_MAX_SIZE": "1g"}, {"REGISTRIES": " "}])
def test_without_a_variable_that_starts_seed_mode_those_that_do_are_named(environ: Mapping[str, str]) -> None:
    printed = run(**environ)
    assert (printed.exit_code, printed.stdout) == (1, "")
    assert printed.stderr == (
        "Error: none of REGISTRIES, AUTH_REGISTRIES, ENABLE_MANIFEST_CACHE and MANIFEST_CACHE_* is set, "
        "so `serve` runs the packaged default policy; `regproxy policy show` prints that\n"
    )


def test_a_password_is_not_printed_and_where_the_policy_looks_for_it_is_said(tmp_path: Path) -> None:
    environ = {"REGISTRIES": "quay.io", "AUTH_REGISTRIES": "quay.io:me:hunter2 other.example:x:hunter2"}
    printed = run(**environ)
    assert printed.exit_code == 0
    assert formatted(printed.stdout) == printed.stdout
    assert 'auth basic { username "me"; password env AUTH_REGISTRIES_1; clients any; }' in printed.stdout
    assert printed.stderr.splitlines()[-1] == (
        "note: no password is printed: `serve --policy` wants them in AUTH_REGISTRIES_1, or in files"
    )
    assert "hunter2" not in printed.output + run("--json", **environ).output
    kept = Source(str(tmp_path / "kept.policy"), printed.stdout)
    loaded = load(kept, {}, PolicyFiles(tmp_path / "kept.policy", {"AUTH_REGISTRIES_1": "hunter2"}))
    chosen = choose_policy(None, {**os.environ, **environ})
    assert loaded.policy is not None
    assert chosen.loaded.policy is not None
    assert loaded.policy.registries == chosen.loaded.policy.registries
