"""The edge's process: what is loaded there is what a hostile client could use."""

import json
import subprocess
import sys

from tests.lab.proxy import regproxy_environment

LISTED = "import json, sys; import regproxy.app.edge; print(json.dumps(sorted(sys.modules)))"
NEVER = {"pycurl", "lark", "re2", "sqlite3", "cryptography", "prometheus_client", "click"}
ROOMS = {"policy", "freshness", "store", "upstream", "cache", "admin", "settings", "reload", "rehearsal", "telemetry"}


def test_an_edge_loads_no_library_and_no_room_of_the_cores() -> None:
    command = [sys.executable, "-c", LISTED]
    done = subprocess.run(command, env=regproxy_environment(), capture_output=True, text=True, timeout=60, check=True)
    loaded = json.loads(done.stdout)
    assert "regproxy.proxy.exchange" in loaded
    assert {name.partition(".")[0] for name in loaded} & NEVER == set()
    assert {name.split(".")[1] for name in loaded if name.startswith("regproxy.")} & ROOMS == set()
    assert "regproxy.tls.authority" not in loaded


def test_the_parent_is_the_standard_library_and_little_more() -> None:
    command = [sys.executable, "-c", LISTED.replace("app.edge", "app.supervisor")]
    done = subprocess.run(command, env=regproxy_environment(), capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & (NEVER | {"tornado", "asyncio", "msgspec", "ssl"}) == set()
