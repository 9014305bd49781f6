"""`regproxy ca`, run as people run it."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tls.making import DAY, make, place

ROOT = Path(__file__).parents[2]


def run_regproxy(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line outside the checkout, with nothing of regproxy in the environment but `environ`."""
    kept = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, "-W", "error", "-m", "regproxy", *arguments]
    return subprocess.run(command, env=kept, capture_output=True, text=True, check=False, cwd="/", timeout=60)


POLICY = """policy 1;
registry corporate { hosts "harbor.corp.example:8443"; }
tier rest { match any; pass; }
"""


def test_init_makes_a_ca_for_the_policy_the_public_registries_and_what_is_added(tmp_path: Path) -> None:
    policy = tmp_path / "a.policy"
    policy.write_text(POLICY)
    made = run_regproxy(
        "ca", "init", "--ca-dir", str(tmp_path / "ca"), "--policy", str(policy), "--ca-permit", "*.lab.example",
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (0, "")
    assert str(tmp_path / "ca" / "ca.crt") in made.stdout
    assert stat.S_IMODE((tmp_path / "ca" / "ca.key").stat().st_mode) == 0o600
    shown = run_regproxy("ca", "show", "--json", REGPROXY_CA_DIR=str(tmp_path / "ca"))
    assert (shown.returncode, shown.stderr) == (0, "")
    ca = json.loads(shown.stdout)
    assert {"harbor.corp.example", "lab.example", "docker.io", "quay.io"} <= set(ca["permitted"])
    assert ca["constrained"] is True
    assert ca["warnings"] == []
    assert ca["fingerprint"] in made.stdout
    assert ca["not_after"].endswith("Z")


def test_a_second_init_refuses_and_changes_nothing(tmp_path: Path) -> None:
    assert run_regproxy("ca", "init", "--ca-dir", str(tmp_path)).returncode == 0
    before = (tmp_path / "ca.crt").read_bytes(), (tmp_path / "ca.key").read_bytes()
    again = run_regproxy("ca", "init", "--ca-dir", str(tmp_path))
    assert again.returncode == 1
    assert "never replaced" in again.stderr
    assert ((tmp_path / "ca.crt").read_bytes(), (tmp_path / "ca.key").read_bytes()) == before


def test_the_environment_has_a_twin_for_each_flag(tmp_path: Path) -> None:
    environ = {"REGPROXY_CA_DIR": str(tmp_path), "REGPROXY_CA_PERMIT": "one.example two.example"}
    assert run_regproxy("ca", "init", **environ).returncode == 0
    shown = run_regproxy("ca", "show", **environ)
    assert shown.returncode == 0
    assert "one.example" in shown.stdout
    assert "two.example" in shown.stdout


def test_without_a_directory_it_lies_with_the_users_state(tmp_path: Path) -> None:
    if os.access("/ca", os.W_OK):
        pytest.skip("this machine has a /ca volume; unmount it")
    assert run_regproxy("ca", "init", XDG_STATE_HOME=str(tmp_path)).returncode == 0
    assert (tmp_path / "regproxy" / "ca" / "ca.crt").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["init", "--ca-permit", "10.0.0.1"], "permits no addresses"),
        (["init", "--ca-permit", "a:5000"], "without port"),
        (["init", "--ca-dirr", "x"], "No such option"),
    ],
)
def test_a_wrong_flag_is_a_usage_error(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    ran = run_regproxy("ca", *arguments, REGPROXY_CA_DIR=str(tmp_path))
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert not list(tmp_path.iterdir())


def test_a_policy_with_findings_makes_no_ca(tmp_path: Path) -> None:
    policy = tmp_path / "wrong.policy"
    policy.write_text('policy 1;\nregistry corporate { hoste "harbor.corp.example"; }\n')
    ran = run_regproxy("ca", "init", "--ca-dir", str(tmp_path / "ca"), "--policy", str(policy))
    assert ran.returncode == 1
    assert "wrong.policy:2" in ran.stderr
    assert not (tmp_path / "ca").exists()


def test_show_says_what_is_wrong_and_where(tmp_path: Path) -> None:
    none = run_regproxy("ca", "show", "--ca-dir", str(tmp_path))
    assert none.returncode == 1
    assert f"no CA in {tmp_path}" in none.stderr
    assert "Traceback" not in none.stderr
    assert run_regproxy("ca", "init", "--ca-dir", str(tmp_path)).returncode == 0
    (tmp_path / "ca.key").chmod(0o644)
    wide = run_regproxy("ca", "show", "--ca-dir", str(tmp_path))
    assert wide.returncode == 1
    assert f"chmod 600 {tmp_path / 'ca.key'}" in wide.stderr


def test_show_warns_of_a_ca_without_constraints_and_opens_an_encrypted_key(tmp_path: Path) -> None:
    own = make("Corporate", begins=time.time() - DAY, ends=time.time() + 400 * DAY)
    place(tmp_path / "ca", own.pem, own.key_pem(b"correct horse"))
    (tmp_path / "phrase").write_text("correct horse\n")
    closed = run_regproxy("ca", "show", "--ca-dir", str(tmp_path / "ca"))
    assert closed.returncode == 1
    assert "REGPROXY_CA_PASSPHRASE_FILE" in closed.stderr
    environ = {"REGPROXY_CA_DIR": str(tmp_path / "ca"), "REGPROXY_CA_PASSPHRASE_FILE": str(tmp_path / "phrase")}
    shown = run_regproxy("ca", "show", **environ)
    assert shown.returncode == 0
    assert "CN=Corporate" in shown.stdout
    assert "any name" in shown.stdout
    assert "no name constraints" in shown.stderr
    as_json = json.loads(run_regproxy("ca", "show", "--json", **environ).stdout)
    assert (as_json["constrained"], as_json["permitted"]) == (False, [])
    assert len(as_json["warnings"]) == 1


def test_the_seeds_variables_name_the_ca_and_a_wrong_one_is_a_usage_error(tmp_path: Path) -> None:
    environ = {"CA_CRT_FILE": str(tmp_path / "ca.crt"), "CA_KEY_FILE": str(tmp_path / "ca.key")}
    assert run_regproxy("ca", "init", **environ).returncode == 0
    shown = run_regproxy("ca", "show", **environ)
    assert shown.returncode == 0
    assert str(tmp_path / "ca.crt") in shown.stdout
    for command in (("ca", "show"), ("ca", "init"), ("policy", "check"), ("serve",)):
        wrong = run_regproxy(*command, CA_CRT_FILE="/pki/root.pem")
        assert wrong.returncode == 2, command
        assert "Error: CA_CRT_FILE is /pki/root.pem" in wrong.stderr
