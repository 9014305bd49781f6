"""The units, run by a real systemd: started by a client, ready when it serves, reloaded, restarted when it hangs."""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Story
from tests.lab.machine import Machine
from tests.lab.peers import need
from tests.lab.policies import policy
from tests.lab.processes import free_port, until

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
# This working copy and its libraries, where a user without rights may read them.
HERE = """[Service]
BindReadOnlyPaths={root}:/opt/regproxy {site}:/opt/site {python}
Environment=PYTHONPATH=/opt/regproxy:/opt/site PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH=/opt/python/lib
ExecStart=
ExecStart={executable} -m regproxy serve --metrics 127.0.0.1:{metrics}
WatchdogSec=4
"""


class Installed:
    """The units on a machine, the proxy's port and that of its metrics in them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.port, self.metrics_port = free_port(), free_port()
        for name in ("regproxy.service", "regproxy.socket"):
            machine.write(f"/etc/systemd/system/{name}", (UNITS / name).read_text())
        base = Path(sys.base_prefix)
        own = base.is_relative_to("/usr")
        real = Path(sys.executable).resolve()
        executable = real if own else Path("/opt/python") / real.relative_to(base)
        here = HERE.format(
            root=ROOT,
            site=sysconfig.get_path("platlib"),
            python="" if own else f"{base}:/opt/python",
            executable=executable,
            metrics=self.metrics_port,
        )
        machine.write("/etc/systemd/system/regproxy.service.d/here.conf", here)
        listen = f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{self.port}\n"
        machine.write("/etc/systemd/system/regproxy.socket.d/here.conf", listen)
        # Where nothing is handed over by the socket: the network is this machine's, and its 3128 may be another's.
        settings = f"REGPROXY_POLICY=/etc/regproxy/my.policy\nREGPROXY_LISTEN=127.0.0.1:{self.port}\n"
        machine.write("/etc/default/regproxy", settings)
        machine.write("/etc/regproxy/my.policy", policy())
        machine.run("systemctl", "daemon-reload").check_returncode()

    def do(self, verb: str, unit: str = "regproxy.service") -> None:
        ran = self.machine.run("systemctl", verb, unit)
        assert ran.returncode == 0, ran.stderr + self.journal()

    def journal(self) -> str:
        return self.machine.run("journalctl", "--unit", "regproxy.service", "--output", "cat", "--no-pager").stdout

    def show(self, name: str) -> str:
        return self.machine.run("systemctl", "show", "--property", name, "--value", "regproxy.service").stdout.strip()

    def get(self, path: str) -> str:
        ran = self.machine.run("curl", "-sS", "-m", "20", f"http://127.0.0.1:{self.port}{path}")
        assert ran.returncode == 0, ran.stderr + self.journal()
        return ran.stdout


@pytest.fixture
def installed(story: Story) -> Iterator[Installed]:
    need("systemd", "curl")
    machine = Machine(story.processes, story.directory / "machine").start()
    yield Installed(machine)
    machine.stop()


def test_it_is_started_by_its_first_client_and_ready_before_systemd_says_so(installed: Installed) -> None:
    installed.do("start", "regproxy.socket")
    assert installed.show("ActiveState") == "inactive"
    assert "docker-registry-proxy: The docker caching proxy is working!" in installed.get("/")
    until(lambda: installed.show("ActiveState") == "active", 20, "the service is ready")
    assert installed.show("StatusText") == "serving"
    assert "BEGIN CERTIFICATE" in installed.get("/ca.crt")
    ready = installed.machine.run("curl", "-sS", f"http://127.0.0.1:{installed.metrics_port}/readyz")
    assert ready.stdout == "ready\n"

    # A restart loses no client: who comes meanwhile waits in the socket.
    before = installed.show("MainPID")
    installed.do("restart")
    assert "working!" in installed.get("/")
    assert installed.show("MainPID") != before
    # The CA is where it was: a user of its own, and its files stay.
    assert installed.machine.run("ls", "/var/lib/regproxy/ca").stdout.split() == ["ca.crt", "ca.key"]


def test_a_reload_reads_the_policy_and_what_hangs_is_started_again(installed: Installed) -> None:
    installed.do("start")
    running = installed.show("MainPID")
    for text, result in ((policy(head='tunnel { deny "x.example"; }\n'), "success"), ("policy 1; wrong", "failure")):
        installed.machine.write("/etc/regproxy/my.policy", text)
        installed.do("reload")
        wanted = f'"result":"{result}"'
        until(lambda wanted=wanted: wanted in installed.journal(), 20, wanted)  # type: ignore[misc]
        assert (installed.show("MainPID"), installed.show("ActiveState")) == (running, "active")

    installed.machine.write("/etc/regproxy/my.policy", policy())
    stopped = installed.machine.run("pkill", "-STOP", "-f", "regproxy serve.*--handed")
    assert stopped.returncode == 0
    until(lambda: installed.show("NRestarts") == "1", 60, "systemd misses the sign of life")
    until(lambda: installed.show("ActiveState") == "active", 30, "it serves again")
