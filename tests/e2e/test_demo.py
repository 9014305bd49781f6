"""The demo without docker: one command, and Prometheus sees the proxy and has its rules."""

import os
import shlex
import signal
from pathlib import Path

from tests.grafana.shipped import ROOT, alerts, rules
from tests.lab.peers import need
from tests.lab.processes import Processes, family, free_port, until
from tests.lab.prometheus import Api
from tests.lab.proxy import regproxy, regproxy_environment


def test_one_command_shows_the_proxy_with_its_monitoring_and_ends_all_of_it(tmp_path: Path) -> None:
    need("prometheus")
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "REGPROXY_LISTEN": f"127.0.0.1:{free_port()}",
        "REGPROXY_METRICS": f"127.0.0.1:{free_port()}",
        "PROMETHEUS": address,
        "DEMO_DIR": str(tmp_path),
        # A clone of its own would install itself first.
        "DEMO_PROXY": shlex.join(regproxy("serve", "--workers", "1")),
    }
    with Processes(tmp_path / "logs") as processes:
        demo = processes.add(
            "demo",
            ["sh", str(ROOT / "deploy" / "demo.sh"), "--without-docker"],
            regproxy_environment() | settings,
        )
        demo.start()
        api = Api(address)
        demo.wait_ready(lambda: api.ready() and {rule["name"] for rule in api.rules()} == set(rules()) | set(alerts()))
        up = f'up{{job="regproxy",instance="{settings["REGPROXY_METRICS"]}"}} == 1'
        demo.wait_ready(lambda: api.query(up), seconds=40)
        started = family(demo.pid)
        assert len(started) > 2
        assert demo.stop(signal.SIGTERM) == 0, demo.tail()
        until(lambda: not any(_lives(pid) for pid in started), 20, "the end of everything that it started")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
