"""`regproxy setup`: what the proxy serves, printed."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from regproxy.app.pages import Pages
from regproxy.cli import main
from regproxy.proxy.edge import Visit
from regproxy.setup.platforms import PLATFORMS
from regproxy.tls.authority import create
from tests.wire.joined import Script


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    create(tmp_path / "ca", ["docker.io"], 1_800_000_000.0)
    return tmp_path / "ca"


@pytest.mark.parametrize("name", [one.name for one in PLATFORMS])
def test_it_prints_what_the_running_proxy_serves(name: str, ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    shown = CliRunner().invoke(main, ["ca", "show", "--ca-dir", str(ca), "--json"])
    fingerprint = next(line for line in shown.stdout.splitlines() if "fingerprint" in line).split('"')[3]
    pages = Pages((ca / "ca.crt").read_bytes, lambda: fingerprint, lambda: "registry-1.docker.io", Script().sightings)
    served = asyncio.run(pages.page(Visit(f"/setup/{name}", "10.0.0.9", "proxy.example:3128", browser=False)))
    printed = CliRunner().invoke(main, ["setup", name, "--ca-dir", str(ca), "--proxy", "proxy.example"])
    as_json = CliRunner().invoke(main, ["setup", name, "--ca-dir", str(ca), "--proxy", "proxy.example", "--json"])
    assert served is not None
    assert json.loads(as_json.stdout)["text"] == printed.stdout
    assert (printed.exit_code, printed.stdout) == (0, served.body.decode())


def test_without_a_ca_it_says_how_to_make_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["setup", "docker", "--ca-dir", str(tmp_path), "--proxy", "proxy.example"])
    assert done.exit_code == 1
    assert "regproxy ca init" in done.stderr


@pytest.mark.parametrize("arguments", [["nothing"], ["docker", "--proxy", "a b"], ["docker", "--proxy", "x:0"]])
def test_a_platform_or_host_that_does_not_exist_is_a_usage_error(arguments: list[str], ca: Path) -> None:
    assert CliRunner().invoke(main, ["setup", *arguments, "--ca-dir", str(ca)]).exit_code == 2
