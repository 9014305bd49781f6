"""The units for systemd, as systemd itself judges them."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[1] / "deploy" / "systemd"
# Before systemd 253 there is no such type, and the line before it counts.
NEWER = "Failed to parse service type, ignoring: notify-reload"
ABSENT = "Command /opt/regproxy/bin/regproxy is not executable: No such file or directory"
MAX_EXPOSURE = 20  # tenths: below 2 is what systemd calls OK

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="apt-get install systemd")


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units() -> None:
    paths = sorted(map(str, UNITS.glob("regproxy.*")))
    ran = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    about_ours = [line for line in ran.stderr.splitlines() if "regproxy" in line]
    assert [line for line in about_ours if not line.endswith((NEWER, ABSENT))] == []


@needs_systemd
def test_the_service_can_do_little_beyond_its_work() -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager"]
    ran = subprocess.run(
        [*command, str(UNITS / "regproxy.service")], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stdout
