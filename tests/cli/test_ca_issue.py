"""`regproxy ca issue` and `ca init --csr`, run as people run them."""

import json
import shutil
import stat
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.test_ca import POLICY, run_regproxy


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A CA for corp.example."""
    environ = {"REGPROXY_CA_DIR": str(tmp_path / "ca")}
    assert run_regproxy("ca", "init", "--ca-permit", "corp.example", **environ).returncode == 0
    return environ


def test_a_certificate_for_another_server_is_written_with_its_key(environ: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run_regproxy("ca", "issue", "--out", str(out), "--days", "7", "Grafana.corp.example", **environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(out / "grafana.corp.example.crt") in done.stdout
    assert stat.S_IMODE((out / "grafana.corp.example.key").stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate((out / "grafana.corp.example.crt").read_bytes())
    assert 6 <= (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days <= 7


def test_a_name_that_the_ca_does_not_permit_is_refused_and_can_be_asked_for_elsewhere(
    environ: dict[str, str], tmp_path: Path
) -> None:
    refused = run_regproxy("ca", "issue", "--out", str(tmp_path / "out"), "harbor.bank.example", **environ)
    assert refused.returncode == 1
    assert "does not permit harbor.bank.example" in refused.stderr
    assert "ca rotate --prepare --ca-permit harbor.bank.example" in refused.stderr
    assert not (tmp_path / "out").exists()
    asked = run_regproxy("ca", "issue", "--csr", "harbor.bank.example", **environ)
    assert (asked.returncode, asked.stderr) == (0, "")
    folder = tmp_path / "ca" / "leaves"
    assert f"{folder / 'harbor.bank.example.crt'}" in asked.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["harbor.bank.example.csr", "harbor.bank.example.key"]


def test_a_program_reads_as_json_where_things_lie(tmp_path: Path) -> None:
    def told(*arguments: str) -> dict[str, object]:
        return dict(json.loads(run_regproxy("ca", *arguments, "--json", REGPROXY_CA_DIR=str(tmp_path / "ca")).stdout))

    asked = told("init", "--csr")
    assert asked == {"request": str(tmp_path / "ca" / "ca.csr"), "certificate": str(tmp_path / "ca" / "ca.crt")}
    shutil.rmtree(tmp_path / "ca")
    made = told("init", "--ca-permit", "corp.example")
    assert made == told("show")
    issued = told("issue", "--out", str(tmp_path), "a.corp.example")
    assert issued == {"key": str(tmp_path / "a.corp.example.key"), "certificate": str(tmp_path / "a.corp.example.crt")}
    leaves = tmp_path / "ca" / "leaves"
    assert told("issue", "--csr", "b.example") == {
        "request": str(leaves / "b.example.csr"),
        "certificate": str(leaves / "b.example.crt"),
    }


def test_an_issuing_ca_is_asked_for_with_the_names_of_the_policy(tmp_path: Path) -> None:
    (tmp_path / "a.policy").write_text(POLICY)
    environ = {"REGPROXY_CA_DIR": str(tmp_path / "ca"), "REGPROXY_POLICY": str(tmp_path / "a.policy")}
    asked = run_regproxy("ca", "init", "--csr", **environ)
    assert (asked.returncode, asked.stderr) == (0, "")
    request = x509.load_pem_x509_csr((tmp_path / "ca" / "ca.csr").read_bytes())
    subtrees = request.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    assert "harbor.corp.example" in {subtree.value for subtree in subtrees}
    shown = run_regproxy("ca", "show", **environ)
    assert shown.returncode == 1
    assert "waits for its certificate" in shown.stderr


@pytest.mark.parametrize(("arguments", "sentence"), [([], "Missing argument"), (["a:5000"], "without port")])
def test_what_names_no_host_is_a_usage_error(environ: dict[str, str], arguments: list[str], sentence: str) -> None:
    done = run_regproxy("ca", "issue", *arguments, **environ)
    assert done.returncode == 2
    assert sentence in done.stderr
