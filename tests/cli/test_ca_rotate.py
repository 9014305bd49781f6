"""`regproxy ca rotate`, run as people run it, with no proxy there."""

import json
from pathlib import Path

import pytest

from regproxy.tls.rotation import rotation
from tests.cli.test_ca import POLICY, run_regproxy


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A CA for a policy, and no proxy."""
    (tmp_path / "a.policy").write_text(POLICY)
    environ = {
        "REGPROXY_CA_DIR": str(tmp_path / "ca"),
        "REGPROXY_POLICY": str(tmp_path / "a.policy"),
        "REGPROXY_CACHE_DIR": str(tmp_path / "cache"),
    }
    assert run_regproxy("ca", "init", **environ).returncode == 0
    return environ


def status(environ: dict[str, str]) -> dict[str, object]:
    done = run_regproxy("ca", "rotate", "--status", "--json", **environ)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_steps_from_prepare_to_finish(environ: dict[str, str]) -> None:
    first = status(environ)
    assert (first["stage"], first["clients"]) == ("steady", {})
    for step, stage in [("prepare", "prepared"), ("activate", "activated"), ("abort", "prepared"),
                        ("activate", "activated"), ("finish", "steady")]:  # fmt: skip
        done = run_regproxy("ca", "rotate", f"--{step}", **environ)
        assert done.returncode == 0, done.stderr
        assert "within seconds" in done.stdout
        assert rotation(Path(environ["REGPROXY_CA_DIR"])).stage == stage
    last = status(environ)
    assert last["fingerprint"] != first["fingerprint"]
    said = run_regproxy("ca", "rotate", **environ).stdout
    assert said.startswith("stage     steady\nsigns     ")
    assert "not known: no proxy answers at" in said
    shown = json.loads(run_regproxy("ca", "show", "--json", **environ).stdout)
    assert (shown["fingerprint"], shown["also_trusted"]) == (last["fingerprint"], [])


def test_while_two_are_handed_out_show_names_both(environ: dict[str, str]) -> None:
    assert run_regproxy("ca", "rotate", "--prepare", **environ).returncode == 0
    shown = json.loads(run_regproxy("ca", "show", "--json", **environ).stdout)
    following = status(environ)["next"]
    assert isinstance(following, dict)
    assert shown["also_trusted"] == [following["fingerprint"]]


def test_a_next_ca_that_the_policy_has_outgrown_is_not_activated(environ: dict[str, str], tmp_path: Path) -> None:
    before = status(environ)
    assert run_regproxy("ca", "rotate", "--prepare", **environ).returncode == 0
    (tmp_path / "a.policy").write_text(POLICY.replace("harbor.corp.example:8443", "new.example"))
    done = run_regproxy("ca", "rotate", "--activate", **environ)
    assert done.returncode == 1
    assert "does not cover the policy: " in done.stderr
    assert "new.example" in done.stderr
    assert status(environ)["fingerprint"] == before["fingerprint"]


def test_a_step_out_of_turn_says_what_is_missing(environ: dict[str, str]) -> None:
    done = run_regproxy("ca", "rotate", "--activate", **environ)
    assert done.returncode == 1
    assert "make one with --prepare" in done.stderr
    assert "Traceback" not in done.stderr
